// Which page is shown: the path of the address bar. Deep links work; the back button too.
import { useEffect, useState } from "preact/hooks";

export interface Place {
  path: string;
  query: URLSearchParams;
}
const here = (): Place => ({ path: location.pathname, query: new URLSearchParams(location.search) });
const listeners = new Set<() => void>();

export function go(path: string, replace = false): void {
  if (replace) history.replaceState(null, "", path);
  else history.pushState(null, "", path);
  listeners.forEach((listener) => listener());
}

export function usePlace(): Place {
  const [place, setPlace] = useState(here);
  useEffect(() => {
    const update = () => setPlace(here());
    listeners.add(update);
    addEventListener("popstate", update);
    return () => {
      listeners.delete(update);
      removeEventListener("popstate", update);
    };
  }, []);
  return place;
}

// A link inside the console: plain clicks stay in the page, all others are the browser's.
export function stay(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const link = event.currentTarget as HTMLAnchorElement;
  event.preventDefault();
  go(link.getAttribute("href") ?? "/");
}

// A dialog that has an address: /p/alice/notebooks?new opens it, closing it leaves the page's own address.
export function useQuery(key: string): [boolean, (open: boolean) => void] {
  const { path, query } = usePlace();
  return [query.has(key), (open) => go(open ? `${path}?${key}` : path, true)];
}
