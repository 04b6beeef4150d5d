// 控制台自己说的每一句话，简体中文。
import type { Messages } from "./en";

export const zh: Messages = {
  loading: "正在加载…",
  reconnecting: "正在重新连接……所见内容可能不是最新的。",
  close: "关闭", cancel: "取消", copy: "复制", copied: "已复制", create: "创建", actions: "操作", remove: "移除", tryAgain: "重试",
  typeToConfirm: (name) => `输入 ${name} 以确认`,
  newTab: (action, name) => `${action} ${name}（新标签页）`,
  errors: {
    unreachable: "无法连接服务器。它在运行吗？",
    interrupted: "实时视图已中断。",
    answered: (status) => `服务器返回了 ${status}。`,
  },
  time: {
    seconds: (count) => `${count} 秒`, minutes: (count) => `${count} 分钟`, hours: (count) => `${count} 小时`, days: (count) => `${count} 天`,
    never: "从未", noEnd: "不限期", ago: (age) => `${age}前`,
  },
  states: {
    Running: "运行中", Ready: "就绪", Pending: "等待中", Starting: "启动中", Stopped: "已停止", Stopping: "停止中", Failed: "失败", Deleting: "删除中",
    Bound: "就绪", Lost: "丢失", active: "有效", pending: "待生效", invited: "已邀请", disabled: "已停用", allowed: "允许", denied: "拒绝", failed: "失败",
    PENDING: "等待中", RUNNING: "运行中", SUCCEEDED: "成功", FAILED: "失败", STOPPED: "已停止", Initializing: "启动中", Waiting: "等待中", Retrying: "正在重试", Suspending: "正在暂停", Suspended: "已暂停", HEALTHY: "健康", UPDATING: "更新中", UNHEALTHY: "不健康", DEPLOYING: "部署中", DEPLOY_FAILED: "部署失败", DELETING: "正在删除", NOT_STARTED: "未开始", ok: "正常", wrong: "异常",
  },
  menu: {
    main: "主菜单", open: "菜单", skip: "跳到正文", profile: "空间", choose: "请选择…", newProfile: "新建空间…", shared: "共享", home: "首页",
    sharedWithYou: "与您共享", notebooks: "笔记本", ray: "Ray 集群", rayJobs: "Ray 作业", rayServices: "Ray 服务", volumes: "存储卷", members: "成员", activity: "动态",
    tokens: "令牌", account: "账号", platform: "平台", users: "用户", profiles: "空间", machine: "机器", audit: "审计日志",
    signOut: "退出登录", language: "语言", missing: "未找到", missingText: "没有这个页面，或者您已无权查看。", goHome: "回到首页",
  },
  palette: {
    open: "搜索", title: "搜索与命令", label: "去哪里，或做什么？", none: "没有匹配项。", keys: "↑ ↓ 选择，回车前往，Esc 关闭。",
    page: "页面", notebook: "笔记本", cluster: "Ray 集群", profile: "空间", action: "操作", start: (name) => `启动 ${name}`, stop: (name) => `停止 ${name}`,
    dashboard: (name) => `${name} 的仪表盘`, openIt: (name) => `打开 ${name}`, speak: (language) => `语言：${language}`,
  },
  undo: {
    label: "等待中的删除", waiting: (text, seconds) => `${seconds} 秒后${text}。`, honest: "尚未发送任何请求；关闭此标签页即取消。",
    undo: "撤销", now: "立即删除", leaving: (seconds) => `${seconds} 秒后删除`, failed: (text, why) => `${text}：${why}`, dismiss: "知道了",
    delete: (what, name) => `删除${what} ${name}`,
  },
  signIn: {
    title: "登录", email: "邮箱", password: "密码", hint: "还没有账号？平台管理员会用链接邀请您。忘记密码？请管理员给您一个新链接。",
    welcome: (email) => `欢迎，${email}`, choose: "请设置密码，下次用它登录。", newPassword: "新密码",
    newHint: "至少 10 个字符。一句话更容易记住。", repeat: "再输一次", differ: "两次输入不一致。", set: "设置密码",
  },
  first: {
    title: "为您的空间命名", text: "空间是您自己的地方：笔记本、Ray 集群和文件都在其中，除非您邀请，别人进不来。",
    name: "空间名称", hint: "小写字母、数字和“-”，以字母开头；它会出现在网址里。", create: "创建空间", begin: "创建并打开笔记本", busy: "正在创建…", failed: "无法创建空间。",
  },
  home: {
    title: "首页", running: "正在运行", nothing: "没有运行任何东西，因此没有占用资源。", holding: (size) => `合计：${size}。`, stoppedToo: (count) => `另有 ${count} 个已停止，不占资源`,
    quota: "本空间的配额", quotaNone: "没有配额：机器的剩余资源都可以用。", machine: "机器", heldBy: "占用情况", heldByYours: "您的空间的占用", noneHeld: "您的空间都没有占用资源。",
    memory: "内存", cpu: "CPU", gpu: "GPU", storage: "存储", pods: "Pod", disk: "磁盘", free: (free, all) => `剩余 ${free}，共 ${all}`, used: (used, all) => `已用 ${used}，共 ${all}`, profile: "空间",
    trouble: "需要留意", start: "三步运行第一个单元格", stepNotebook: "新建笔记本", stepNotebookText: "大约半分钟即可使用，已装好 Ray 和常用库。",
    stepOpen: "打开并运行", stepOpenText: "JupyterLab 会在新标签页中打开。/home/atelier 下的文件会保留。", stepRay: "需要更多算力？", stepRayText: "Ray 集群用多个工作节点运行您的代码；空间里的每个笔记本都能连接它。",
    readOnly: "您可以在这里查看。空间所有者可以把您设为编辑者。",
  },
  manifest: {
    label: "清单（YAML 或 JSON）", show: "显示 YAML", back: "返回表单", discard: "放弃修改，返回表单", hint: "发送的正是这些内容。表单里没有的可以在这里改。",
    edited: "您已修改：表单字段不再起作用。", title: "清单", fine: "服务器会接受。", checking: "正在询问服务器…",
  },
  form: {
    name: "名称", nameHint: "小写字母、数字和“-”，以字母开头。", image: "镜像", cpu: "CPU", cpuHint: "0.5、2 …", memory: "内存", memoryHint: "1Gi、512Mi …", gpu: "GPU", state: "状态", size: "规格", age: "已存在",
    env: "环境变量", envHint: "每行一个：NAME=value", volumes: "存储卷", volumesHint: "每行一个：名称:/挂载路径", more: "更多",
    envLine: (line) => `“${line}”不是 NAME=value`, volumeLine: (line) => `“${line}”不是 名称:/路径`, exists: "本空间中已有同名对象",
    labelsHint: "每行一个：NAME=value", labelLine: (line) => `“${line}”不是标签的写法 NAME=value：字母、数字、“-”、“_”和“.”，各不超过 63 个字符；NAME 前可加域名和“/”`, taintLine: (line) => `“${line}”不是 key=value:Effect；效果为 NoSchedule、PreferNoSchedule 或 NoExecute`,
  },
  events: { title: "事件", none: "最近没有事件。" },
  idle: { warning: (name, time) => `没有人在使用 ${name}：它将于 ${time} 停止。文件会保留，内核中的内容不会。`, keep: "保留 8 小时", keepOf: (name) => `保留 8 小时：${name}` },
  logs: { of: (name) => `日志：${name}`, button: "日志", pod: "Pod", box: "日志内容", nothing: "目前没有运行，因此没有日志。", none: (status) => `还没有日志（${status}）。`, interrupted: "日志中断，正在重新读取。" },
  notebooks: {
    title: "笔记本", new: "新建笔记本", what: "笔记本", none: "还没有笔记本", noneText: "笔记本是您自己的 JupyterLab，大约半分钟即可使用。",
    open: "打开", start: "启动", stop: "停止", resize: "调整规格", delete: "删除", kept: "停止、调整规格或删除笔记本时，/home/atelier 下的文件会保留。",
    resizeOf: (name) => `调整规格：${name}`, resizeText: "笔记本会以新规格重启。文件会保留，正在运行的内核不会。", isStarting: (name) => `${name} 正在启动`,
    made: "创建于", opensItself: "运行后会自动打开。",
  },
  ray: {
    title: "Ray 集群", new: "新建 Ray 集群", what: "Ray 集群", none: "还没有 Ray 集群", noneText: "集群在一个头节点和任意多个工作节点上运行您的代码。KubeRay 的清单在这里同样可用：atelier apply -f cluster.yaml。",
    dashboard: "仪表盘", dashboardOf: "仪表盘：", connect: "连接", connectTo: (name) => `连接 ${name}`, scale: "扩缩容", scaleOf: (name) => `扩缩容 ${name}`, workers: "工作节点", ready: (ready, all) => `${ready} / ${all}`,
    version: "Ray 版本", head: "头节点", headCpu: "头节点 CPU", headMemory: "头节点内存", headGpu: "头节点 GPU", headTasks: "头节点也运行任务", headHint: "不勾选时，头节点的 CPU 只供 Ray 自己使用。",
    group: "组名", groupTitle: (at) => `工作节点，第 ${at} 组`, addGroup: "添加一组", removeGroup: (name) => `移除 ${name} 组`, workerCpu: "工作节点 CPU", workerMemory: "工作节点内存", workerGpu: "工作节点 GPU",
    replicas: "副本数", min: "最少", max: "最多", autoscale: "自动扩缩容", autoscaleHint: "Ray 按任务的需要，在最少与最多之间增减工作节点。", idle: "空闲多少秒后移除工作节点", replicasOf: (name) => `${name} 的副本数`, between: (min, max) => `介于 ${min} 和 ${max} 之间`, any: "不限",
    fromNotebook: "从本空间的笔记本", fromLaptop: "从装有 Ray 的电脑", tokenFirst: "请先在“令牌”页面创建令牌，并替换下面的 TOKEN。", python: "Python 代码", shell: "命令行",
    nodes: "节点", noNodes: "目前没有节点。", node: "节点", restarts: "重启次数", warning: "作业和内存中的一切都会丢失。",
    envHint: "每行一个：NAME=value，对所有节点生效。软件包随作业指定：集群本身没有。", labels: "集群的标签", labelsOf: (who) => `Pod 标签：${who}`, where: (who) => `${who}：可以在哪里运行`,
    selectorOf: (who) => `节点选择器：${who}`, selectorHint: "每行一个：NAME=value，节点必须具有的标签。在单机上不起作用。", tolerationsOf: (who) => `容忍：${who}`, tolerationsHint: "每行一个：key=value:Effect，写法同污点。在单机上不起作用。",
    remember: "头节点恢复时保留原有状态", rememberHint: "不勾选时，头节点结束后从头开始，工作节点也随之重来。勾选后（GCS 容错），Actor 和工作节点会保留；所需信息存于 Redis。",
    redis: "Redis 地址", redisHint: "host:6379。留空则使用本空间自己的 Redis（如果可以有）。", redisSecret: "Redis 密码", redisSecretHint: "存放密码的 Secret 及其键：redis:password", secretLine: (text) => `“${text}”不是 SECRET:key`,
  },
  jobs: {
    title: "作业", new: "提交作业", none: "还没有作业。", notRunning: "集群运行后才能提交作业。", entrypoint: "命令", entrypointHint: "由头节点上的 shell 运行，例如：python -c \"import ray; ray.init(); print(ray.nodes())\"",
    id: "作业 ID", idHint: "留空则由 Ray 生成。", pip: "软件包", pipHint: "每行一个，写法同 pip；只为此作业安装。", job: "作业", state: "状态", began: "开始于", submit: "提交",
    stop: "停止", stopOf: (id) => `停止 ${id}`, logs: "日志", logsOf: (id) => `日志：${id}`, delete: "删除", deleteOf: (id) => `删除 ${id}`, what: "作业",
  },
  rayJobs: {
    title: "Ray 作业", what: "Ray 作业", new: "新建 Ray 作业", none: "还没有 Ray 作业", noneText: "Ray 作业是一条带有自己集群的命令：集群为它而建，结束后随之移除。输出会保留。",
    cluster: "集群", ended: "已结束的运行", noRuns: "还没有已结束的运行。", run: "运行", finished: "结束于", began: "开始于", failures: "失败的运行", gone: "此作业已删除；以下是保留的记录。",
    retries: "重试次数", retriesHint: "失败后最多再运行几次。", deadline: "最长秒数", deadlineHint: "留空则不限时间。", madeFor: "集群是一个此规格的头节点，随作业移除。工作节点组请写在 YAML 中。",
    retry: "再次运行", retryOf: (name) => `再次运行 ${name}`, suspend: "暂停", suspendOf: (name) => `暂停 ${name}`, resume: "恢复", resumeOf: (name) => `恢复 ${name}`,
  },
  rayServices: {
    title: "Ray 服务", what: "Ray 服务", new: "新建 Ray 服务", none: "还没有 Ray 服务", noneText: "Ray 服务让 Ray Serve 的应用持续运行，并可在不中断请求的情况下切换到另一个集群。",
    applications: "应用", application: "应用", deployment: "部署", cluster: "集群", noApplications: "Serve 还没有应用。", active: "正在服务", pending: "即将接替", open: "对所有人开放",
    address: (route) => `${route} 的地址`, config: "Serve 配置（serveConfigV2）", configHint: "import_path 指 PYTHONPATH 上的模块，或应用的 runtime_env.working_dir 中的模块。", madeFor: "集群是一个此规格的头节点。工作节点组请写在 YAML 中。",
    edit: "配置", editOf: (name) => `配置 ${name}`, editHint: "将应用到正在服务的集群；副本逐个替换。", apply: "应用",
  },
  volumes: {
    title: "存储卷", new: "新建存储卷", none: "还没有存储卷", noneText: "存储卷保存文件，不依附于某一个笔记本。", size: "容量", sizeHint: "10Gi、500Mi …", usedBy: "挂载者", nobody: "无", own: "大家的主目录文件；随空间一起删除",
    delete: "删除", deleteTitle: "删除存储卷", deleteText: (name) => `${name} 上的所有文件都会被删除，无法撤销。`, inUse: (names) => `${names} 正在挂载它：等它们停止后才会删除。`, howTo: "挂载方法：新建笔记本或集群时，在“存储卷”里写上它。",
  },
  members: {
    title: "成员", share: "共享", email: "邮箱", role: "角色", for: "范围", until: "期限", who: "成员", state: "状态", you: (email) => `${email}（您）`, whole: "整个空间", onlyNotebook: (name) => `仅笔记本 ${name}`, onlyCluster: (name) => `仅 Ray 集群 ${name}`,
    viewer: "查看者：可查看除密钥外的一切", editor: "编辑者：启动、停止和运行", admin: "管理员：还可管理成员和配额", termDay: "一天", termWeek: "一周", termMonth: "30 天", termQuarter: "90 天",
    scopeHint: "能打开某个笔记本或集群的人，也能访问它所能访问的：空间的主目录文件，以及通过空间的 Ray 令牌访问其集群。", pendingText: "该邮箱注册账号后生效", roleOf: (email) => `${email} 的角色`, removeOf: (email) => `移除 ${email}`,
    removeTitle: "移除成员", removeText: (email) => `${email} 立即失去访问权限，已打开的标签页会关闭。`, transfer: "转让所有权…", transferTitle: "转让所有权", transferText: (profile) => `${profile} 立即归他人所有，只有对方能还给您。`, newOwner: "新所有者的邮箱",
    deleteProfile: "删除此空间…", deleteTitle: "删除空间", deleteText: (profile) => `${profile} 的所有笔记本、Ray 集群、文件和成员都会被删除，无法撤销。`,
  },
  tokens: {
    title: "令牌", lead: (email) => `脚本或命令行可以用令牌以 ${email} 的身份操作，权限与您相同：请像密码一样保管。`, what: "用途", noName: "（未命名）", whose: "所属", made: "创建于", until: "有效至", used: "上次使用", valid: "有效期",
    week: "一周", month: "一个月", quarter: "90 天", year: "一年", create: "创建令牌", fresh: "您的新令牌，只在此时显示。", named: "同一令牌，供要求 name:secret 形式的客户端使用", none: "还没有令牌。", revoke: "吊销", revokeOf: (name) => `吊销 ${name}`, noNameToken: "未命名的令牌",
    revokeTitle: "吊销令牌", revokeText: (name) => `使用“${name}”的一切立即被拒绝，无法撤销；可以另建新令牌。`, form: "新令牌",
  },
  account: {
    title: "账号", password: "密码", form: "修改密码", old: "旧密码", new: "新密码", newHint: "至少 10 个字符。", change: "修改密码", changed: (email) => `已修改。${email} 的其他会话均已结束。`, account: "账号",
    sessions: "会话", since: "开始于", from: "来自", seen: "上次活动", current: "当前会话", end: "结束", endOf: (since) => `结束 ${since} 的会话`, everywhere: "在所有地方退出…", everywhereTitle: "在所有地方退出",
    everywhereText: (email) => `以 ${email} 登录的所有浏览器都会退出，包括这一个。令牌仍然有效。`,
  },
  activity: {
    title: "动态", lead: "本空间里谁做了什么，最新的在前。", allTitle: "审计日志", allLead: "本平台上谁做了什么，最新的在前。", when: "时间", who: "操作者", what: "操作", where: "空间", on: "对象", outcome: "结果", older: "加载更早的", none: "还没有记录。", filter: "筛选", filterHint: "在已加载的内容中查找：人、操作或名称。",
  },
  users: {
    title: "用户", email: "邮箱", admin: "平台管理员", create: "创建账号", form: "新账号", link: (email) => `请把此链接发给 ${email}：对方可用它设置密码，仅一次。`, newLinkFor: (email) => `${email} 的新链接`, kind: "类型", state: "状态", made: "创建于", isAdmin: "平台管理员", isUser: "用户",
    newLink: "新链接", newLinkOf: (email) => `新链接：${email}`, enable: "启用", enableOf: (email) => `启用 ${email}`, disable: "停用", disableOf: (email) => `停用 ${email}`, delete: "删除", deleteOf: (email) => `删除 ${email}`, linkTitle: "生成新链接", linkText: (email) => `打开此链接的人将以 ${email} 登录一次，并设置新密码。`,
    disableTitle: "停用账号", disableText: (email) => `${email} 在所有地方退出，在重新启用前无法登录。空间和文件会保留。`, deleteTitle: "删除账号", deleteText: (email) => `${email} 离开所有空间，其令牌失效，无法撤销。`,
  },
  profiles: { title: "空间", owner: "所有者", state: "状态", holds: "占用", quota: "配额", none: "还没有空间。", name: "空间", members: "成员", membersOf: (name) => `成员：${name}`, age: "已存在" },
  machine: {
    title: "机器", capacity: "容量", images: "镜像", image: "镜像", version: "Ray", state: "状态", health: "健康", release: (version) => `Atelier ${version}`, noImages: "没有安装镜像。",
    ready: "已安装", notReady: "正在获取", policy: "权限策略", database: "数据库", engine: "工作负载", disk: "磁盘",
  },
  approve: {
    title: "登录命令行", ask: "要登录命令行吗？", incomplete: "此链接不完整：请重新运行 atelier login。", refused: "没有授予任何权限。可以关闭此标签页。",
    code: "请在运行 atelier login 的地方输入或粘贴此代码。两分钟内有效，仅一次。", asks: (host, email) => `${host} 上的命令行请求以 ${email} 的身份操作。`,
    may: (term) => `它能做您能做的一切，为期 ${term}，或直到您吊销其令牌。`, days: (count) => `${count} 天`, hours: (count) => `${count} 小时`,
    only: "只有您自己刚刚运行了 atelier login，才应允许。", refuse: "拒绝", allow: "允许",
  },
  shared: { title: (profile) => `${profile} 中与您共享的内容`, gone: "与您共享的内容已不存在。", what: "类型", role: "您的角色", name: "名称", state: "状态" },
  plots: { cpu: "CPU", memory: "内存", nodes: "Ray 节点", title: "用量变化", hour: "最近一小时", dayLong: "最近一天", week: "最近一周", range: "时间范围", now: (value) => `现在 ${value}`, of: (value, limit) => `现在 ${value}，上限 ${limit}` },
};
