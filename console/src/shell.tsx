// What is around every page: the menu with the profile's switch, the line that says when it is not live, deletions that wait.
import { useEffect, useState } from "preact/hooks";
import { type Me, post, type ProfileEntry } from "./api";
import { Icon } from "./icons";
import { hold, sendNow, takeBack, useLater } from "./later";
import { useReconnecting } from "./live";
import { adminPlaces, ownPlaces, type Place, profilePlaces } from "./places";
import { roleName } from "./rights";
import { go, stay } from "./router";
import { language, languages, speak, t } from "./text";

export function Logo() {
  return (
    <p class="logo">
      <img src="/favicon.svg" alt="" width="28" height="28" />
      Atelier
    </p>
  );
}

export function Languages() {
  return (
    <select class="language" aria-label={t.menu.language} value={language} onChange={(event) => speak(event.currentTarget.value)}>
      {languages.map(([code, name]) => <option key={code} value={code} lang={code}>{name}</option>)}
    </select>
  );
}

// A page and what lies below it: /p/alice/notebooks/nb1 belongs to Notebooks, and /p/alice only to itself.
const isHere = (href: string, here: string) => here === href || (here.startsWith(`${href}/`) && href.split("/").length !== 3);

function Links({ places, here }: { places: Place[]; here: string }) {
  return (
    <>
      {places.map(({ href, text, icon }) => (
        <a key={href} href={href} onClick={stay} aria-current={here === href ? "page" : isHere(href, here) ? "true" : undefined}><Icon name={icon} />{text}</a>
      ))}
    </>
  );
}

// A platform admin sees every profile, so their own come first, and the others say whose they are.
function Switch({ me, profile, here }: { me: Me; profile: ProfileEntry | undefined; here: string }) {
  const mine = me.profiles.filter((entry) => entry.owner === me.email);
  const others = me.profiles.filter((entry) => entry.owner !== me.email);
  const mayMake = me.platformAdmin || mine.length < me.settings.profilesPerUser;
  const option = (entry: ProfileEntry, note: string) => <option key={entry.name} value={entry.name}>{entry.name}{note}</option>;
  return (
    <label class="switch">
      <span>{t.menu.profile}</span>
      <select value={here === "/new" ? "+" : profile?.name ?? ""} onChange={(event) => go(event.currentTarget.value === "+" ? "/new" : `/p/${event.currentTarget.value}`)}>
        {profile || here === "/new" ? null : <option value="" disabled>{t.menu.choose}</option>}
        {mine.map((entry) => option(entry, ""))}
        {others.map((entry) => option(entry, me.platformAdmin ? ` (${entry.owner ?? t.menu.shared})` : ` (${roleName(entry.role) || t.menu.shared})`))}
        {mayMake || here === "/new" ? <option value="+">{t.menu.newProfile}</option> : null}
      </select>
    </label>
  );
}

const mac = /Mac|iPhone|iPad/.test(navigator.userAgent);

export function Rail({ me, profile, here, search, left }: { me: Me; profile: ProfileEntry | undefined; here: string; search: () => void; left: () => Promise<void> }) {
  const [open, setOpen] = useState(false);
  useEffect(() => setOpen(false), [here]);
  const admin = adminPlaces(me);
  return (
    <nav aria-label={t.menu.main} class={open ? "open" : undefined}>
      <div class="top">
        <Logo />
        <button type="button" class="quiet search" aria-keyshortcuts="Control+K Meta+K" onClick={search}><Icon name="search" />{t.palette.open} <kbd aria-hidden="true">{mac ? "⌘K" : "Ctrl K"}</kbd></button>
        <button type="button" class="quiet fold" aria-expanded={open} aria-controls="menu" onClick={() => setOpen(!open)}><Icon name="menu" />{t.menu.open}</button>
      </div>
      <div class="menu" id="menu">
        {me.profiles.length > 0 ? <Switch me={me} profile={profile} here={here} /> : null}
        <Links places={profilePlaces(profile)} here={here} />
        <hr />
        <Links places={ownPlaces()} here={here} />
        {admin.length > 0 ? <p class="heading">{t.menu.platform}</p> : null}
        <Links places={admin} here={here} />
        <footer>
          <small title={me.email}>{me.email}</small>
          <div><Languages /><button onClick={() => void post("/auth/logout", {}).then(left, left)}>{t.menu.signOut}</button></div>
        </footer>
      </div>
    </nav>
  );
}

export function Line() {
  return <div class="line" role="status">{useReconnecting() ? <p>{t.reconnecting}</p> : null}</div>;
}

export function Waiting() {
  const pending = useLater();
  const waits = pending.some((entry) => !entry.failed);
  return (
    <aside class="waiting" aria-label={t.undo.label} onPointerEnter={() => hold(true)} onPointerLeave={() => hold(false)} onFocusIn={() => hold(true)} onFocusOut={() => hold(false)}>
      <div class="unseen" role="status">{pending.map((entry) => entry.text).join(". ")}</div>
      {pending.map((entry) => (
        <div key={entry.key} class={entry.failed ? "bad" : undefined}>
          {entry.failed ? <span role="alert">{t.undo.failed(entry.text, entry.failed.message)}</span> : <span>{t.undo.waiting(entry.text, entry.left_s)}</span>}
          {entry.failed ? <button type="button" onClick={() => takeBack(entry.key)}>{t.undo.dismiss}</button> : (
            <>
              <button type="button" class="primary" onClick={() => takeBack(entry.key)}>{t.undo.undo}</button>
              <button type="button" onClick={() => sendNow(entry.key)}>{t.undo.now}</button>
            </>
          )}
        </div>
      ))}
      {waits ? <small>{t.undo.honest}</small> : null}
    </aside>
  );
}
