// Every text the console says by itself, in English: the type that all other languages are held to.
const many = (count: number, one: string, more: string) => `${count} ${count === 1 ? one : more}`;

export const en = {
  loading: "Loading…",
  reconnecting: "Reconnecting… what you see may be out of date.",
  close: "Close", cancel: "Cancel", copy: "Copy", copied: "Copied", create: "Create", actions: "Actions", remove: "Remove", tryAgain: "Try again",
  typeToConfirm: (name: string) => `Type ${name} to confirm`,
  newTab: (action: string, name: string) => `${action} ${name} in a new tab`,
  errors: {
    unreachable: "The server cannot be reached. Is it running?",
    interrupted: "The live view was interrupted.",
    answered: (status: number) => `The server answered ${status}.`,
  },
  time: {
    seconds: (count: number) => `${count} s`, minutes: (count: number) => `${count} min`, hours: (count: number) => `${count} h`, days: (count: number) => `${count} d`,
    never: "never", noEnd: "no end", ago: (age: string) => `${age} ago`,
  },
  states: {
    Running: "Running", Ready: "Ready", Pending: "Pending", Starting: "Starting", Stopped: "Stopped", Stopping: "Stopping", Failed: "Failed", Deleting: "Deleting",
    Bound: "Ready", Lost: "Lost", active: "active", pending: "pending", invited: "invited", disabled: "disabled", allowed: "allowed", denied: "denied", failed: "failed",
    PENDING: "Waiting", RUNNING: "Running", SUCCEEDED: "Succeeded", FAILED: "Failed", STOPPED: "Stopped", Initializing: "Starting", Waiting: "Waiting", Retrying: "Trying again", Suspending: "Being suspended", Suspended: "Suspended", HEALTHY: "Healthy", UPDATING: "Updating", UNHEALTHY: "Unhealthy", DEPLOYING: "Being deployed", DEPLOY_FAILED: "Could not be deployed", DELETING: "Deleting", NOT_STARTED: "Not started", ok: "in order", wrong: "not in order",
  },
  menu: {
    main: "Main", open: "Menu", skip: "Skip to content", profile: "Profile", choose: "Choose…", newProfile: "New profile…", shared: "shared", home: "Home",
    sharedWithYou: "Shared with you", notebooks: "Notebooks", ray: "Ray clusters", rayJobs: "Ray jobs", rayServices: "Ray services", volumes: "Volumes", members: "Members", activity: "Activity",
    tokens: "Tokens", account: "Account", platform: "Platform", users: "Users", profiles: "Profiles", machine: "Machine", audit: "Audit log",
    signOut: "Sign out", language: "Language", missing: "Not found", missingText: "There is no such page, or you may no longer see it.", goHome: "Go home",
  },
  palette: {
    open: "Search", title: "Search and commands", label: "Where to, or what to do?", none: "Nothing matches.", keys: "↑ ↓ to choose, Enter to go, Esc to close.",
    page: "Page", notebook: "Notebook", cluster: "Ray cluster", profile: "Profile", action: "Action", start: (name: string) => `Start ${name}`, stop: (name: string) => `Stop ${name}`,
    dashboard: (name: string) => `Dashboard of ${name}`, openIt: (name: string) => `Open ${name}`, speak: (language: string) => `Language: ${language}`,
  },
  undo: {
    label: "Deletions that wait", waiting: (text: string, seconds: number) => `${text} in ${seconds} s.`, honest: "Nothing has been sent yet; closing this tab cancels it.",
    undo: "Undo", now: "Delete now", leaving: (seconds: number) => `Deletion in ${seconds} s`, failed: (text: string, why: string) => `${text}: ${why}`, dismiss: "Dismiss",
    delete: (what: string, name: string) => `${what} ${name} is deleted`,
  },
  signIn: {
    title: "Sign in", email: "E-mail", password: "Password", hint: "No account yet? Your platform's admin invites you by link. Lost your password? Ask them for a new link.",
    welcome: (email: string) => `Welcome, ${email}`, choose: "Choose a password; next time you sign in with it.", newPassword: "New password",
    newHint: "At least 10 characters. A sentence is easier to remember.", repeat: "Repeat it", differ: "The two differ.", set: "Set password",
  },
  first: {
    title: "Name your profile", text: "A profile is your space: notebooks, Ray clusters and files live in it, and nobody else gets in unless you invite them.",
    name: "Profile name", hint: "Lower-case letters, digits and '-', a letter first; it appears in addresses.", create: "Create profile", begin: "Create it and open a notebook", busy: "Making it…", failed: "The profile could not be made.",
  },
  home: {
    title: "Home", running: "What runs", nothing: "Nothing runs, so nothing is held.", holding: (size: string) => `Together: ${size}.`, stoppedToo: (count: number) => many(count, "stopped one holds nothing", "stopped ones hold nothing"),
    quota: "This profile's share", quotaNone: "No quota: what the machine has left is yours.", machine: "The machine", heldBy: "Held by", heldByYours: "Held by your profiles", noneHeld: "None of your profiles holds anything.",
    memory: "Memory", cpu: "CPU", gpu: "GPU", storage: "Storage", pods: "Pods", disk: "Disk", free: (free: string, all: string) => `${free} of ${all} free`, used: (used: string, all: string) => `${used} of ${all}`, profile: "Profile",
    trouble: "What needs a look", start: "Three steps to a running cell", stepNotebook: "Make a notebook", stepNotebookText: "It is ready in about half a minute, with Ray and the usual libraries installed.",
    stepOpen: "Open it and run", stepOpenText: "JupyterLab opens in a tab of its own. Files under /home/atelier are kept.", stepRay: "Need more hands?", stepRayText: "A Ray cluster runs your code on many workers; every notebook of the profile reaches it.",
    readOnly: "You may look around here. Whoever owns the profile can make you an editor.",
  },
  manifest: {
    label: "Manifest (YAML or JSON)", show: "Show YAML", back: "Back to the form", discard: "Discard changes, back to the form", hint: "Exactly this is sent. Change it here if the form lacks something.",
    edited: "You have changed it: the form's fields no longer count.", title: "Manifest", fine: "The server would accept this.", checking: "Asking the server…",
  },
  form: {
    name: "Name", nameHint: "Lower-case letters, digits and '-', a letter first.", image: "Image", cpu: "CPU", cpuHint: "0.5, 2 …", memory: "Memory", memoryHint: "1Gi, 512Mi …", gpu: "GPUs", state: "State", size: "Size", age: "Age",
    env: "Environment", envHint: "One a line: NAME=value", volumes: "Volumes", volumesHint: "One a line: name:/where/it/appears", more: "More",
    envLine: (line: string) => `"${line}" is not NAME=value`, volumeLine: (line: string) => `"${line}" is not name:/path`, exists: "exists already in this profile",
    labelsHint: "One a line: NAME=value", labelLine: (line: string) => `"${line}" is not NAME=value as labels are written: letters, digits, '-', '_' and '.', at most 63 each; NAME may begin with a domain and '/'`, taintLine: (line: string) => `"${line}" is not key=value:Effect; the effect is NoSchedule, PreferNoSchedule or NoExecute`,
  },
  events: { title: "Events", none: "No events of late." },
  idle: { warning: (name: string, time: string) => `Nobody uses ${name}: it is stopped at ${time}. Its files stay, what its kernels hold does not.`, suspension: (name: string, time: string) => `Nobody uses ${name}: it is suspended at ${time}. What its actors hold is lost.`, deletion: (name: string, time: string) => `${name} has been suspended for long: it is deleted on ${time} unless somebody resumes it.`, keep: "Keep it for 8 hours", keepOf: (name: string) => `Keep it for 8 hours: ${name}` },
  logs: { of: (name: string) => `Logs of ${name}`, button: "Logs", pod: "Pod", box: "log", nothing: "Nothing runs at the moment, so there is no log.", none: (status: number) => `There is no log yet (${status}).`, interrupted: "The log was interrupted. It is read again." },
  notebooks: {
    title: "Notebooks", new: "New notebook", what: "Notebook", none: "No notebooks yet", noneText: "A notebook is a JupyterLab of your own. A new one is ready in about half a minute.",
    open: "Open", start: "Start", stop: "Stop", resize: "Resize", delete: "Delete", kept: "Files under /home/atelier are kept when the notebook is stopped, resized or deleted.",
    resizeOf: (name: string) => `Resize ${name}`, resizeText: "The notebook restarts with the new size. Files are kept, running kernels are not.", isStarting: (name: string) => `${name} is starting`,
    made: "Made", opensItself: "It opens by itself once it runs.",
  },
  ray: {
    title: "Ray clusters", new: "New Ray cluster", what: "Ray cluster", none: "No Ray clusters yet", noneText: "A cluster runs your code on a head and as many workers as you say. KubeRay's manifests work here too: atelier apply -f cluster.yaml.",
    dashboard: "Dashboard", dashboardOf: "Dashboard of", connect: "Connect", connectTo: (name: string) => `Connect to ${name}`, scale: "Scale", scaleOf: (name: string) => `Scale ${name}`, workers: "Workers", ready: (ready: number, all: number) => `${ready} of ${all}`,
    version: "Ray version", head: "Head", headCpu: "Head CPU", headMemory: "Head memory", headGpu: "Head GPUs", headTasks: "Also run tasks on the head", headHint: "Left alone, the head keeps its CPU for Ray itself.",
    group: "Group", groupTitle: (at: number) => `Workers, group ${at}`, addGroup: "Add a group", removeGroup: (name: string) => `Remove group ${name}`, workerCpu: "Worker CPU", workerMemory: "Worker memory", workerGpu: "Worker GPUs",
    replicas: "Replicas", min: "Min", max: "Max", autoscale: "Scale by itself", autoscaleHint: "Ray adds and removes workers between Min and Max, by what its tasks ask for.", idle: "Remove a worker after idle seconds", replicasOf: (name: string) => `Replicas of ${name}`, between: (min: number, max: number | string) => `between ${min} and ${max}`, any: "any",
    fromNotebook: "From a notebook of this profile", fromLaptop: "From a laptop with Ray installed", tokenFirst: "Make a token on the page Tokens first, and put it in place of TOKEN.", python: "Python", shell: "Shell command",
    nodes: "Nodes", noNodes: "No nodes at the moment.", node: "Node", restarts: "Restarts", warning: "Jobs and everything in memory are lost.",
    envHint: "One a line: NAME=value, on every node. Packages are named with a job: a cluster has none of its own.", labels: "Labels of the cluster", labelsOf: (who: string) => `Labels of pods: ${who}`, where: (who: string) => `${who}: where it may run`,
    selectorOf: (who: string) => `Node selector: ${who}`, selectorHint: "One a line: NAME=value, labels that a node must have. Of no effect on one machine.", tolerationsOf: (who: string) => `Tolerations: ${who}`, tolerationsHint: "One a line: key=value:Effect, as a taint is written. Of no effect on one machine.",
    remember: "A head that comes back with what it knew", rememberHint: "Left alone, a head that ends starts afresh, and its workers with it. With this (GCS fault tolerance) actors and workers stay; Redis keeps what they need.",
    redis: "Redis address", redisHint: "host:6379. Left empty: a Redis of the profile's own, where there can be one.", redisSecret: "Redis password", redisSecretHint: "The Secret and its key that hold it: redis:password", secretLine: (text: string) => `"${text}" is not SECRET:key`,
  },
  jobs: {
    title: "Jobs", new: "Submit job", none: "No jobs yet.", notRunning: "Jobs can be submitted once the cluster runs.", entrypoint: "Command", entrypointHint: "What a shell on the head runs, for example: python -c \"import ray; ray.init(); print(ray.nodes())\"",
    id: "Job ID", idHint: "Left empty, Ray makes one.", pip: "Packages", pipHint: "One a line, as pip names them; installed for this job only.", job: "Job", state: "State", began: "Began", submit: "Submit",
    stop: "Stop", stopOf: (id: string) => `Stop ${id}`, logs: "Logs", logsOf: (id: string) => `Logs of ${id}`, delete: "Delete", deleteOf: (id: string) => `Delete ${id}`, what: "Job",
  },
  rayJobs: {
    title: "Ray jobs", what: "Ray job", new: "New Ray job", none: "No Ray jobs yet", noneText: "A Ray job is a command with a cluster of its own: the cluster is made for it, and goes when it has ended. What it printed is kept.",
    cluster: "Cluster", ended: "Runs that have ended", noRuns: "No run has ended yet.", run: "Run", finished: "Ended", began: "Began", failures: "Failed runs", gone: "This job has been deleted; this is what is kept of it.",
    retries: "Retries", retriesHint: "Runs that may follow a failed one.", deadline: "At most, in seconds", deadlineHint: "Left empty: as long as it takes.", madeFor: "Its cluster is one head of this size, and goes with the job. Worker groups are written in its YAML.",
    retry: "Run again", retryOf: (name: string) => `Run ${name} again`, suspend: "Suspend", suspendOf: (name: string) => `Suspend ${name}`, resume: "Resume", resumeOf: (name: string) => `Resume ${name}`,
  },
  rayServices: {
    title: "Ray services", what: "Ray service", new: "New Ray service", none: "No Ray services yet", noneText: "A Ray service keeps applications of Ray Serve running, and changes to another cluster without failing a request.",
    applications: "Applications", application: "Application", deployment: "Deployment", cluster: "Cluster", noApplications: "Serve has no application yet.", active: "Serves", pending: "Will take over",
    address: (route: string) => `Address of ${route}`, config: "Serve configuration (serveConfigV2)", configHint: "import_path names a module on PYTHONPATH, or in the application's runtime_env.working_dir.", madeFor: "Its cluster is one head of this size. Worker groups are written in its YAML.",
    edit: "Configure", editOf: (name: string) => `Configure ${name}`, editHint: "It is applied to the cluster that serves; replicas are replaced one after another.", apply: "Apply",
    who: "Who may use it", route: "Route", members: "Members of the profile", everybody: "Everybody, without signing in", everybodyBy: (prefix: string) => `Everybody, without signing in (by ${prefix})`, openIt: "Open to everybody", openOf: (route: string) => `Open to everybody: ${route}`, closeIt: "Members only", closeOf: (route: string) => `Members only: ${route}`,
    openText: (address: string) => `Whoever reaches ${address}, or anything below it, uses the application without signing in, at the profile's expense. The dashboard, jobs and everything else of the profile stay closed.`, openTextAll: "Whoever reaches this service uses every application of it without signing in, those added later and Serve's own /-/routes included, at the profile's expense. The dashboard, jobs and everything else of the profile stay closed.",
    closeText: "From now on only members of the profile use it. Connections of others end at once.", openNever: "This platform opens no application to everybody; its administrator can allow it (ATELIER_PUBLIC_APPS).",
  },
  volumes: {
    title: "Volumes", new: "New volume", none: "No volumes yet", noneText: "A volume keeps files apart from any one notebook.", size: "Size", sizeHint: "10Gi, 500Mi …", usedBy: "Mounted by", nobody: "nobody", own: "everybody's home files; it goes with the profile",
    delete: "Delete", deleteTitle: "Delete volume", deleteText: (name: string) => `Every file on ${name} is removed. This cannot be undone.`, inUse: (names: string) => `It is mounted by ${names}: it goes once they have stopped.`, howTo: "Mount it: name it under Volumes when you make a notebook or a cluster.",
  },
  members: {
    title: "Members", share: "Share", email: "E-mail", role: "Role", for: "For", until: "Until", who: "Who", state: "State", you: (email: string) => `${email} (you)`, whole: "the whole profile", onlyNotebook: (name: string) => `only notebook ${name}`, onlyCluster: (name: string) => `only Ray cluster ${name}`,
    viewer: "viewer: sees everything but secrets", editor: "editor: starts, stops and runs", admin: "admin: also members and quotas", termDay: "a day", termWeek: "a week", termMonth: "30 days", termQuarter: "90 days",
    scopeHint: "Who opens one notebook or cluster reaches what it reaches: the profile's home files, and through the profile's Ray token its clusters.", pendingText: "active once there is an account with this e-mail", roleOf: (email: string) => `Role of ${email}`, removeOf: (email: string) => `Remove ${email}`,
    removeTitle: "Remove member", removeText: (email: string) => `${email} loses access at once; their open tabs close.`, transfer: "Transfer ownership…", transferTitle: "Transfer ownership", transferText: (profile: string) => `${profile} gets another owner, at once. Only they can give it back.`, newOwner: "New owner's e-mail",
    deleteProfile: "Delete this profile…", deleteTitle: "Delete profile", deleteText: (profile: string) => `Every notebook, Ray cluster, file and member of ${profile} is removed. This cannot be undone.`,
  },
  tokens: {
    title: "Tokens", lead: (email: string) => `A token lets a script or a command line act as ${email}. It can do all that you can: keep it like a password.`, what: "What for", noName: "(no name)", whose: "Whose", made: "Made", until: "Valid until", used: "Last used", valid: "Valid for",
    week: "a week", month: "a month", quarter: "90 days", year: "a year", create: "Create token", fresh: "Your new token. It is shown only now.", named: "The same for clients that want name:secret", none: "No tokens yet.", revoke: "Revoke", revokeOf: (name: string) => `Revoke ${name}`, noNameToken: "the token without a name",
    revokeTitle: "Revoke token", revokeText: (name: string) => `Whatever uses "${name}" is refused at once. This cannot be undone; a new token can be made.`, form: "New token",
  },
  account: {
    title: "Account", password: "Password", form: "Change password", old: "Old password", new: "New password", newHint: "At least 10 characters.", change: "Change password", changed: (email: string) => `Changed. All other sessions of ${email} have ended.`, account: "Account",
    sessions: "Sessions", since: "Since", from: "From", seen: "Last seen", current: "this one, now", end: "End", endOf: (since: string) => `End the session of ${since}`, everywhere: "Sign out everywhere…", everywhereTitle: "Sign out everywhere",
    everywhereText: (email: string) => `Every browser that is signed in as ${email} is signed out, this one too. Tokens stay.`,
  },
  activity: {
    title: "Activity", lead: "Who did what in this profile, the latest first.", allTitle: "Audit log", allLead: "Who did what on this platform, the latest first.", when: "When", who: "Who", what: "What", where: "Profile", on: "On", outcome: "Outcome", older: "Load older", none: "Nothing yet.", filter: "Filter", filterHint: "Among what is loaded: a person, an action, a name.",
  },
  users: {
    title: "Users", email: "E-mail", admin: "Platform admin", create: "Create account", form: "New account", link: (email: string) => `Send this link to ${email}: it sets their password, once.`, newLinkFor: (email: string) => `A new link for ${email}`, kind: "Kind", state: "State", made: "Made", isAdmin: "platform admin", isUser: "user",
    newLink: "New link", newLinkOf: (email: string) => `New link for ${email}`, enable: "Enable", enableOf: (email: string) => `Enable ${email}`, disable: "Disable", disableOf: (email: string) => `Disable ${email}`, delete: "Delete", deleteOf: (email: string) => `Delete ${email}`, linkTitle: "Make a new link", linkText: (email: string) => `Who opens the link signs in as ${email}, once, and sets a new password.`,
    disableTitle: "Disable account", disableText: (email: string) => `${email} is signed out everywhere and cannot sign in until the account is enabled again. Profiles and files stay.`, deleteTitle: "Delete account", deleteText: (email: string) => `${email} leaves every profile, and their tokens end. This cannot be undone.`,
  },
  profiles: { title: "Profiles", owner: "Owner", state: "State", holds: "Holds", quota: "Quota", none: "No profiles yet.", name: "Profile", members: "Members", membersOf: (name: string) => `Members of ${name}`, age: "Age" },
  machine: {
    title: "Machine", capacity: "Capacity", images: "Images", image: "Image", version: "Ray", state: "State", health: "Health", release: (version: string) => `Atelier ${version}`, noImages: "No images are installed.",
    ready: "installed", notReady: "being fetched", policy: "Who may do what", database: "Database", engine: "Workloads", disk: "Disk",
  },
  approve: {
    title: "Sign in a command line", ask: "Sign in a command line?", incomplete: "This link is incomplete: run atelier login again.", refused: "Nothing was allowed. You may close this tab.",
    code: "Type or paste this code where you ran atelier login. It is good for two minutes, once.", asks: (host: string, email: string) => `The command line on ${host} asks to act as ${email}.`,
    may: (term: string) => `It will be able to do all that you can, for ${term}, or until you revoke its token.`, days: (count: number) => `${count} days`, hours: (count: number) => `${count} hours`,
    only: "Allow it only if you have just run atelier login yourself.", refuse: "Refuse", allow: "Allow",
  },
  shared: { title: (profile: string) => `Shared with you in ${profile}`, gone: "What was shared with you is gone.", what: "What", role: "Your role", name: "Name", state: "State" },
  plots: { cpu: "CPU", memory: "Memory", nodes: "Ray nodes", title: "Usage over time", hour: "Last hour", dayLong: "Last day", week: "Last week", range: "Time span", now: (value: string) => `now ${value}`, of: (value: string, limit: string) => `now ${value} of ${limit}` },
};
export type Messages = typeof en;
