import { useTranslation } from "react-i18next";
import { NavLink, Outlet } from "react-router";
import { useSession } from "../session";
import { Button } from "./controls";
import { LanguageChoice } from "./LanguageChoice";

/** Pages by their place in the menu; a new page is one line. */
const PAGES = [{ path: "/servers", label: "frame.servers" }] as const;

/** The frame around every page of a logged-in person. */
export function Frame() {
  const { t, i18n } = useTranslation();
  const { state, leave } = useSession();
  const time = new Intl.DateTimeFormat(i18n.language, { hour: "2-digit", minute: "2-digit" });
  return (
    <div className="flex min-h-screen flex-col">
      <a href="#content" className="sr-only focus:not-sr-only focus:p-3">
        {t("frame.skip")}
      </a>
      <header className="flex flex-wrap items-center gap-x-6 gap-y-2 border-slate-200 border-b bg-white px-6 py-3 dark:border-slate-800 dark:bg-slate-900">
        <span className="flex items-center gap-2 font-semibold">
          <img src="/web/icon.svg" alt="" className="size-7" />
          {t("product")}
        </span>
        <nav aria-label={t("frame.menu")} className="flex gap-1">
          {PAGES.map((page) => (
            <NavLink
              key={page.path}
              to={page.path}
              className={({ isActive }) =>
                `rounded-lg px-3 py-2 font-medium text-sm ${isActive ? "bg-indigo-100 text-indigo-900 dark:bg-indigo-950 dark:text-indigo-100" : "hover:bg-slate-100 dark:hover:bg-slate-800"}`
              }
            >
              {t(page.label)}
            </NavLink>
          ))}
        </nav>
        <div className="ml-auto flex items-center gap-3">
          {state.kind === "in" ? (
            <span className="text-sm" title={t("frame.until", { time: time.format(state.expires) })}>
              {state.username}
            </span>
          ) : null}
          <LanguageChoice />
          <Button look="plain" onClick={() => void leave()}>
            {t("frame.logout")}
          </Button>
        </div>
      </header>
      <main id="content" className="mx-auto w-full max-w-6xl flex-1 p-6">
        <Outlet />
      </main>
    </div>
  );
}
