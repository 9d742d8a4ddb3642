import { type ReactNode, useId } from "react";

/** A part of a page with a heading of its own. */
export function Panel(props: { title: string; text?: string; aside?: ReactNode; children: ReactNode }) {
  const id = useId();
  return (
    <section
      aria-labelledby={id}
      className="max-w-3xl rounded-xl border border-line bg-card p-5 shadow-card lg:p-6"
    >
      <div className="mb-4 flex flex-wrap items-start justify-between gap-3">
        <div className="min-w-0 flex-1 basis-64">
          <h2 id={id} className="font-semibold">
            {props.title}
          </h2>
          {props.text ? <p className="mt-0.5 text-sm text-soft">{props.text}</p> : null}
        </div>
        {props.aside}
      </div>
      {props.children}
    </section>
  );
}
