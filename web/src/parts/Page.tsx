import { type ReactNode, useEffect, useRef } from "react";
import { useLocation, useNavigationType } from "react-router";
import { useWords } from "../words";

let isFirst = true;

/** The body of a page: its title in the window and on top, and the focus there when a person has come from another. */
export function Page(props: { title: string; aside?: ReactNode; children: ReactNode }) {
  const { t } = useWords();
  const heading = useRef<HTMLHeadingElement>(null);
  const { pathname } = useLocation();
  const way = useNavigationType();

  useEffect(() => {
    document.title = `${props.title} · ${t("product")}`;
  }, [props.title, t]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the focus moves with the path alone
  useEffect(() => {
    if (!isFirst || way === "PUSH") heading.current?.focus({ preventScroll: true });
    isFirst = false;
  }, [pathname]);

  return (
    <div className="flex flex-col gap-5">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <h1 ref={heading} tabIndex={-1} className="font-semibold text-2xl tracking-tight">
          {props.title}
        </h1>
        {props.aside}
      </div>
      {props.children}
    </div>
  );
}
