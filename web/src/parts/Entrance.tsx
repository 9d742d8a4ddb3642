import { type ReactNode, useEffect } from "react";
import { useWords } from "../words";
import { LanguageChoice } from "./Preferences";

/** The box before the door: login, sign-up, a link that is gone. */
export function Entrance(props: { page: string; title: string; intro?: string; children: ReactNode }) {
  const { t } = useWords();
  useEffect(() => {
    document.title = `${props.page} · ${t("product")}`;
  }, [props.page, t]);
  return (
    <div className="flex min-h-dvh flex-col items-center justify-between gap-6 px-4 py-6 sm:py-10">
      <header className="flex items-center gap-2.5 font-semibold text-lg tracking-tight">
        <img src="/web/icon.svg" alt="" className="size-8" />
        {t("product")}
      </header>
      <main className="w-full max-w-[26rem]">
        <section className="flex flex-col gap-5 rounded-2xl border border-line bg-card p-6 shadow-float sm:p-8">
          <div className="flex flex-col gap-1.5">
            <h1 className="text-balance break-words font-semibold text-xl tracking-tight">{props.title}</h1>
            {props.intro ? <p className="text-sm text-soft">{props.intro}</p> : null}
          </div>
          {props.children}
        </section>
      </main>
      <footer className="flex justify-center">
        <LanguageChoice />
      </footer>
    </div>
  );
}
