import { type ReactNode, useId, useLayoutEffect, useRef } from "react";
import { useWords } from "../words";
import { CrossIcon } from "./icons";

/** The browser's own dialog: it keeps the focus inside, closes with Escape, and gives the focus back. */
export function Dialog(props: { title: string; close: () => void; children: ReactNode }) {
  const { t } = useWords();
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();

  // before the element goes, or the focus could not return to where it came from
  useLayoutEffect(() => {
    const opened = dialog.current;
    opened?.showModal();
    return () => opened?.close();
  }, []);

  return (
    <dialog
      ref={dialog}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        props.close();
      }}
      className="max-h-[calc(100dvh-2rem)] w-[calc(100vw-2rem)] max-w-lg overflow-y-auto rounded-2xl border border-line bg-card p-6 shadow-float"
    >
      <div className="mb-5 flex items-start justify-between gap-4">
        <h2 id={id} className="min-w-0 break-words font-semibold text-lg tracking-tight">
          {props.title}
        </h2>
        <button
          type="button"
          aria-label={t("close")}
          onClick={props.close}
          className="-m-1.5 rounded-lg p-1.5 text-soft hover:bg-well hover:text-ink"
        >
          <CrossIcon />
        </button>
      </div>
      <div className="flex flex-col gap-5">{props.children}</div>
    </dialog>
  );
}
