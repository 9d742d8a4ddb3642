import { useEffect, useState } from "react";
import { NavLink, Outlet, useLocation } from "react-router";
import { useSession } from "../session";
import { useWords } from "../words";
import { Acting } from "./Acting";
import { Alerts } from "./Alerts";
import { Ending } from "./Ending";
import { CrossIcon, DownIcon, LeaveIcon, MenuIcon, PersonIcon } from "./icons";
import { MENU } from "./menu";
import { LanguageChoice, ThemeChoice } from "./Preferences";

/** The frame around every page of a logged-in person: who they are above, where they may go at the side. */
export function Frame() {
  const { t } = useWords();
  const [isOpen, setOpen] = useState(false);
  const { pathname } = useLocation();

  // biome-ignore lint/correctness/useExhaustiveDependencies: the menu of a small screen closes when the page changes
  useEffect(() => setOpen(false), [pathname]);

  return (
    <div className="min-h-dvh">
      <a
        href="#content"
        className="sr-only focus:not-sr-only focus:fixed focus:top-2 focus:left-2 focus:z-50 focus:rounded-lg focus:bg-card focus:p-3 focus:shadow-float"
      >
        {t("frame.skip")}
      </a>
      <header className="sticky top-0 z-20 flex h-14 items-center gap-3 border-line border-b bg-card px-4 lg:px-6">
        <button
          type="button"
          aria-label={t("frame.openMenu")}
          aria-expanded={isOpen}
          aria-controls="menu"
          onClick={() => setOpen(!isOpen)}
          className="-ml-1.5 rounded-lg p-1.5 text-soft hover:bg-well hover:text-ink lg:hidden"
        >
          {isOpen ? <CrossIcon /> : <MenuIcon />}
        </button>
        <span className="flex items-center gap-2.5 font-semibold tracking-tight">
          <img src="/web/icon.svg" alt="" className="size-7" />
          {t("product")}
        </span>
        <PersonMenu />
      </header>
      <Acting />
      <div className="mx-auto flex max-w-[88rem]">
        <nav
          id="menu"
          aria-label={t("frame.menu")}
          className={`${isOpen ? "fixed inset-x-0 top-14 bottom-0 z-10 bg-page" : "hidden"} shrink-0 flex-col gap-6 overflow-y-auto p-4 lg:sticky lg:top-14 lg:flex lg:h-[calc(100dvh-3.5rem)] lg:w-56 lg:pt-7`}
        >
          {MENU.map((section) => (
            <div key={section.label} className="mb-5 lg:mb-0">
              <h2 className="px-3 pb-1.5 font-medium text-soft text-xs">{t(section.label)}</h2>
              <ul className="flex flex-col gap-0.5">
                {section.entries.map((entry) => (
                  <li key={entry.path}>
                    <NavLink
                      to={entry.path}
                      className={({ isActive }) =>
                        `flex items-center gap-3 rounded-lg px-3 py-2 font-medium text-sm transition-colors ${isActive ? "bg-tint text-tint-ink" : "text-soft hover:bg-well hover:text-ink"}`
                      }
                    >
                      <entry.icon />
                      {t(entry.label)}
                    </NavLink>
                  </li>
                ))}
              </ul>
            </div>
          ))}
        </nav>
        <main id="content" tabIndex={-1} className="min-w-0 flex-1 px-4 py-6 lg:px-8 lg:py-7">
          <Ending />
          <Alerts />
          <Outlet />
        </main>
      </div>
    </div>
  );
}

/** Who is logged in; behind it language, appearance and the way out. */
function PersonMenu() {
  const { t, language } = useWords();
  const { state, leave } = useSession();
  if (state.kind !== "in") return null;
  const time = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit" }).format(
    state.expires,
  );
  return (
    <div className="ml-auto flex min-w-0">
      <button
        type="button"
        popoverTarget="person"
        aria-label={`${t("frame.yourMenu")}: ${state.username}`}
        className="flex min-w-0 items-center gap-2 rounded-lg py-1 pr-2 pl-1 font-medium text-sm hover:bg-well"
      >
        <span className="flex size-8 items-center justify-center rounded-full bg-tint text-tint-ink">
          <PersonIcon />
        </span>
        <span className="max-w-40 truncate">{state.username}</span>
        <DownIcon className="size-4 text-soft" />
      </button>
      <div
        id="person"
        popover="auto"
        className="inset-auto top-[3.25rem] right-4 m-0 w-64 rounded-xl border border-line bg-card p-2 shadow-float lg:right-6"
      >
        <div className="border-line border-b px-3 pt-1.5 pb-3">
          <p className="truncate font-medium text-sm">{state.username}</p>
          <p className="text-soft text-xs">{t("frame.until", { time })}</p>
        </div>
        <div className="flex flex-col gap-2 border-line border-b px-3 py-3">
          <LanguageChoice />
          <ThemeChoice />
        </div>
        <button
          type="button"
          onClick={() => void leave()}
          className="mt-2 flex w-full items-center gap-3 rounded-lg px-3 py-2 font-medium text-sm hover:bg-well"
        >
          <LeaveIcon className="size-5 text-soft" />
          {t("frame.logout")}
        </button>
      </div>
    </div>
  );
}
