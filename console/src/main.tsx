// The console: who is here, which profile is looked at, which page is shown.
import "./console.css";
import { render } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { Account, Tokens, Users } from "./account";
import { get, type Me, onRefused, post, Problem, type ProfileEntry, setCsrf } from "./api";
import { ApproveCommandLine } from "./approve";
import { FirstVisit, Home } from "./home";
import { Members } from "./members";
import { Notebooks } from "./notebooks";
import { Alert, Empty, Page } from "./parts";
import { RayClusters } from "./ray";
import { shows } from "./rights";
import { go, stay, usePlace } from "./router";
import { Shared } from "./shared";
import { Logo, SetPassword, SignIn } from "./signin";

const look_again_ms = 15_000;

function Link({ href, here, children }: { href: string; here: string; children: string }) {
  return <a href={href} onClick={stay} aria-current={here === href ? "page" : undefined}>{children}</a>;
}

// A platform admin sees every profile, so their own come first, and the others say whose they are.
function Switch({ me, profile, here }: { me: Me; profile: ProfileEntry | undefined; here: string }) {
  const mine = me.profiles.filter((entry) => entry.owner === me.email);
  const others = me.profiles.filter((entry) => entry.owner !== me.email);
  const mayMake = me.platformAdmin || mine.length < me.settings.profilesPerUser;
  const option = (entry: ProfileEntry, note: string) => <option key={entry.name} value={entry.name}>{entry.name}{note}</option>;
  return (
    <label class="switch">
      <span>Profile</span>
      <select value={here === "/new" ? "+" : profile?.name ?? ""} onChange={(event) => go(event.currentTarget.value === "+" ? "/new" : `/p/${event.currentTarget.value}`)}>
        {profile || here === "/new" ? null : <option value="" disabled>Choose…</option>}
        {mine.map((entry) => option(entry, ""))}
        {others.map((entry) => option(entry, me.platformAdmin ? ` (${entry.owner ?? "shared"})` : ` (${entry.role || "shared"})`))}
        {mayMake || here === "/new" ? <option value="+">New profile…</option> : null}
      </select>
    </label>
  );
}

function Rail({ me, profile, here, left }: { me: Me; profile: ProfileEntry | undefined; here: string; left: () => Promise<void> }) {
  const base = profile ? `/p/${profile.name}` : "";
  return (
    <nav aria-label="Main">
      <Logo />
      {me.profiles.length > 0 ? <Switch me={me} profile={profile} here={here} /> : null}
      {profile ? (
        <>
          <Link href={base} here={here}>{profile.role ? "Home" : "Shared with you"}</Link>
          {shows(profile, "Notebook") ? <Link href={`${base}/notebooks`} here={here}>Notebooks</Link> : null}
          {shows(profile, "RayCluster") ? <Link href={`${base}/ray`} here={here}>Ray clusters</Link> : null}
          {profile.role ? <Link href={`${base}/members`} here={here}>Members</Link> : null}
        </>
      ) : null}
      <hr />
      <Link href="/tokens" here={here}>Tokens</Link>
      <Link href="/account" here={here}>Account</Link>
      {me.platformAdmin ? <Link href="/users" here={here}>Users</Link> : null}
      <footer>
        <small title={me.email}>{me.email}</small>
        <button onClick={() => void post("/auth/logout", {}).then(left, left)}>Sign out</button>
      </footer>
    </nav>
  );
}

function Missing({ children }: { children: string }) {
  return <Page title="Not found"><Empty>{children} <a href="/" onClick={stay}>Go home</a></Empty></Page>;
}

function Content({ me, profile, path, refresh }: { me: Me; profile: ProfileEntry | undefined; path: string; refresh: () => Promise<void> }) {
  if (path === "/tokens") return <Tokens me={me} />;
  if (path === "/account") return <Account me={me} left={refresh} />;
  if (path === "/users" && me.platformAdmin) return <Users me={me} />;
  if (path === "/new" || path === "/") return <FirstVisit done={refresh} />;
  if (!profile || !path.startsWith("/p/")) return <Missing>There is no such page, or you may no longer see it.</Missing>;
  const page = path.split("/").slice(3).join("/");
  if (page === "") return profile.role ? <Home me={me} entry={profile} /> : <Shared entry={profile} />;
  if (page === "notebooks" && shows(profile, "Notebook")) return <Notebooks entry={profile} />;
  if (page === "ray" && shows(profile, "RayCluster")) return <RayClusters entry={profile} />;
  if (page === "members" && profile.role) return <Members me={me} entry={profile} done={refresh} />;
  return <Missing>There is no such page.</Missing>;
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

function Console() {
  const place = usePlace();
  const { me, problem, refresh } = useMe();
  const named = /^\/p\/([^/]+)/.exec(place.path)?.[1];
  const profile = useProfile(me, named);
  const first = useRef(true);
  useEffect(() => {
    const main = document.getElementById("main");
    if (!first.current && main && !main.contains(document.activeElement)) main.focus();
    first.current = false;
    scrollTo(0, 0);
  }, [place.path]);
  if (me === undefined) {
    return (
      <main class="narrow" id="main">
        <Logo />
        <h1 class="unseen">Atelier</h1>
        {problem ? <><Alert problem={problem} /><button class="primary" onClick={() => void refresh()}>Try again</button></> : <Empty>Loading…</Empty>}
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
      <a class="skip" href="#main">Skip to content</a>
      <Rail me={me} profile={profile} here={here} left={refresh} />
      <Content key={here} me={me} profile={profile} path={here} refresh={refresh} />
    </div>
  );
}

const root = document.getElementById("app");
if (root) render(<Console />, root);
