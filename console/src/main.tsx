// The console: who is here, which profile is looked at, which page is shown.
import "./console.css";
import "./theme";
import { render } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { get, type Me, onRefused, Problem, type ProfileEntry, setCsrf } from "./api";
import { Account } from "./pages/account";
import { Activity } from "./pages/activity";
import { ApproveCommandLine } from "./pages/approve";
import { FirstVisit } from "./pages/first";
import { Home } from "./pages/home";
import { Machine } from "./pages/machine";
import { Members } from "./pages/members";
import { NotebookPage } from "./pages/notebook";
import { Notebooks } from "./pages/notebooks";
import { Profiles } from "./pages/profiles";
import { RayClusters } from "./pages/ray";
import { ClusterPage } from "./pages/ray_cluster";
import { RayJobPage } from "./pages/rayjob";
import { RayJobs } from "./pages/rayjobs";
import { RayServicePage } from "./pages/rayservice";
import { RayServices } from "./pages/rayservices";
import { Shared } from "./pages/shared";
import { SetPassword, SignIn } from "./pages/signin";
import { Tokens } from "./pages/tokens";
import { Users } from "./pages/users";
import { Volumes } from "./pages/volumes";
import { Palette } from "./palette";
import { Alert, Empty, Loading, Page } from "./parts/page";
import { may, shows } from "./rights";
import { stay, usePlace } from "./router";
import { Line, Logo, Rail, Waiting } from "./shell";
import { t } from "./text";

const look_again_ms = 5_000;

function Missing() {
  return <Page title={t.menu.missing}><Empty>{t.menu.missingText} <a href="/" onClick={stay}>{t.menu.goHome}</a></Empty></Page>;
}

interface Shown {
  me: Me;
  profile: ProfileEntry | undefined;
  path: string;
  refresh: () => Promise<void>;
}
function Content({ me, profile, path, refresh }: Shown) {
  switch (path) {
    case "/tokens":
      return <Tokens me={me} />;
    case "/account":
      return <Account me={me} left={refresh} />;
    case "/new":
    case "/":
      return <FirstVisit me={me} done={refresh} />;
  }
  if (me.platformAdmin) {
    if (path === "/users") return <Users me={me} />;
    if (path === "/profiles") return <Profiles me={me} />;
    if (path === "/machine") return <Machine me={me} />;
    if (path === "/audit") return <Activity />;
  }
  return profile && path.startsWith("/p/") ? <OfProfile me={me} profile={profile} path={path} refresh={refresh} /> : <Missing />;
}

function OfProfile({ me, profile, path, refresh }: Shown & { profile: ProfileEntry }) {
  const [page = "", name, more] = path.split("/").slice(3).map(decodeURIComponent);
  const member = profile.role !== "";
  if (more !== undefined) return <Missing />;
  if (page === "notebooks" && shows(profile, "Notebook")) return name ? <NotebookPage entry={profile} name={name} /> : <Notebooks entry={profile} />;
  if (page === "ray" && shows(profile, "RayCluster")) return name ? <ClusterPage entry={profile} name={name} /> : <RayClusters entry={profile} />;
  if (page === "rayjobs" && member) return name ? <RayJobPage entry={profile} name={name} /> : <RayJobs entry={profile} />;
  if (page === "rayservices" && member) return name ? <RayServicePage entry={profile} name={name} mayOpen={me.settings.publicApps} /> : <RayServices entry={profile} />;
  if (name !== undefined) return <Missing />;
  if (page === "") return member ? <Home me={me} entry={profile} /> : <Shared entry={profile} />;
  if (page === "volumes" && member) return <Volumes entry={profile} />;
  if (page === "members" && member) return <Members me={me} entry={profile} done={refresh} />;
  if (page === "activity" && may("manage", profile)) return <Activity profile={profile.name} />;
  return <Missing />;
}

// Who is here, kept true: asked again when the server refuses something, when the tab comes back, and now and then.
function useMe() {
  const [me, setMe] = useState<Me | null | undefined>(undefined);
  const [problem, setProblem] = useState<Problem | null>(null);
  const known = useRef("");
  const asking = useRef<Promise<void> | null>(null);
  const ask = useCallback(async () => {
    try {
      const found = await get<Me>("/api/atelier/v1/whoami");
      const text = JSON.stringify(found);
      setCsrf(found.csrf);
      setProblem(null);
      if (text !== known.current) setMe(found);
      known.current = text;
    } catch (error) {
      if (error instanceof Problem && error.status === 401) {
        known.current = "";
        setMe(null);
        setProblem(null);
      } else setProblem(error as Problem);
    }
  }, []);
  // What is refused often comes in twos and threes: one question answers them all.
  const glance = useCallback(() => {
    if (asking.current || document.hidden) return;
    asking.current = ask().finally(() => {
      asking.current = null;
    });
  }, [ask]);
  useEffect(() => {
    onRefused(glance);
    glance();
    document.addEventListener("visibilitychange", glance);
    const timer = setInterval(glance, look_again_ms);
    return () => {
      document.removeEventListener("visibilitychange", glance);
      clearInterval(timer);
    };
  }, [glance]);
  return { me, problem, refresh: ask };
}

// Pages that belong to no profile keep the one that was looked at last.
function useProfile(me: Me | null | undefined, named: string | undefined): ProfileEntry | undefined {
  const last = useRef("");
  if (named) last.current = named;
  const find = (name: string) => me?.profiles.find((entry) => entry.name === name);
  if (named) return find(named);
  return find(last.current) ?? me?.profiles.find((entry) => entry.owner === me.email) ?? (me?.platformAdmin ? undefined : me?.profiles[0]);
}

// Ctrl-K or Cmd-K anywhere, unless a dialog is being answered.
function usePalette(): [boolean, (open: boolean) => void] {
  const [open, setOpen] = useState(false);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
      event.preventDefault();
      if (!document.querySelector("dialog[open]")) setOpen(true);
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  return [open, setOpen];
}

function Console() {
  const place = usePlace();
  const { me, problem, refresh } = useMe();
  const [palette, setPalette] = usePalette();
  const named = /^\/p\/([^/]+)/.exec(place.path)?.[1];
  const profile = useProfile(me, named);
  const first = useRef(true);
  useEffect(() => {
    const main = document.getElementById("main");
    if (!first.current && main && !main.contains(document.activeElement)) main.focus();
    first.current = false;
    scrollTo(0, 0);
  }, [place.path]);
  // Sign-in goes away with what had the focus: the page takes it.
  const wasOut = useRef(false);
  useEffect(() => {
    if (me && wasOut.current && document.activeElement === document.body) document.getElementById("main")?.focus();
    wasOut.current = me === null;
  }, [me]);
  if (me === undefined) {
    return (
      <main class="narrow" id="main">
        <Logo />
        <h1 class="unseen">Atelier</h1>
        {problem ? <><Alert problem={problem} /><button class="primary" onClick={() => void refresh()}>{t.tryAgain}</button></> : <Loading />}
      </main>
    );
  }
  if (me === null) return <SignIn next={place.path === "/signin" ? place.query.get("next") : place.path + location.search} done={refresh} />;
  if (me.mustSetPassword) return <SetPassword email={me.email} done={refresh} />;
  if (place.path === "/cli-login") return <ApproveCommandLine me={me} query={place.query} />;
  const start = place.path === "/" || place.path === "/signin";
  const here = !start ? place.path.replace(/\/+$/, "") || "/" : profile ? `/p/${profile.name}` : "/";
  return (
    <div class="frame">
      <a class="skip" href="#main">{t.menu.skip}</a>
      <Rail me={me} profile={profile} here={here} search={() => setPalette(true)} left={refresh} />
      <div class="body">
        <Line />
        <Content key={here} me={me} profile={profile} path={here} refresh={refresh} />
      </div>
      <Waiting />
      {palette ? <Palette me={me} entry={profile} close={() => setPalette(false)} /> : null}
    </div>
  );
}

const root = document.getElementById("app");
if (root) render(<Console />, root);
