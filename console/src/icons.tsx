// The small pictures beside words. They are never the only way to say something.
const paths: Record<string, string> = {
  home: "M3 11 12 4l9 7M6 9.5V20h12V9.5M10 20v-5h4v5",
  notebook: "M6 4h12a1 1 0 0 1 1 1v14a1 1 0 0 1-1 1H6zM6 4v16M9.5 8.5h6M9.5 12h6M4 8h2M4 12h2M4 16h2",
  ray: "M12 5v5M12 14v5M5 12h5M14 12h5M12 10a2 2 0 1 0 0 4 2 2 0 0 0 0-4zM12 3v1M12 20v1M3 12h1M20 12h1",
  volume: "M4 7c0-1.7 3.6-3 8-3s8 1.3 8 3-3.6 3-8 3-8-1.3-8-3zM4 7v10c0 1.7 3.6 3 8 3s8-1.3 8-3V7M4 12c0 1.7 3.6 3 8 3s8-1.3 8-3",
  members: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c.5-4 3-6 6.5-6s6 2 6.5 6M16 4.5a3.5 3.5 0 0 1 0 6.5M17.5 14.5c2.5.5 3.7 2.5 4 5.5",
  activity: "M3 12h4l3-7 4 14 3-7h4",
  token: "M14 10a4.5 4.5 0 1 0-2.6 4.100L13 16h2v2h2v2h4v-3.5l-6.3-6.300M7.5 9.5h.01",
  account: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20c.8-4 3.5-6 7.5-6s6.7 2 7.5 6",
  users: "M12 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM5 20c.6-4 3-6 7-6s6.4 2 7 6M19 7v6M16 10h6",
  profiles: "M4 5h7v6H4zM13 5h7v6h-7zM4 13h7v6H4zM13 13h7v6h-7z",
  machine: "M4 5h16v6H4zM4 13h16v6H4zM7.5 8h.01M7.5 16h.01M11 8h6M11 16h6",
  audit: "M6 3h9l4 4v14H6zM14 3v5h5M9 12h7M9 16h7",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM20 20l-4.8-4.8",
  menu: "M4 7h16M4 12h16M4 17h16",
  service: "M4 12h5M15 6h5M15 12h5M15 18h5M9 12l6-6M9 12h6M9 12l6 6",
  job: "M8 5l11 7-11 7z",
};
export function Icon({ name }: { name: string }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={paths[name] ?? ""} />
    </svg>
  );
}
