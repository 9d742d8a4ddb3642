import type { ComponentType, ReactNode } from "react";
import { ApiError } from "../api/call";
import { type Say, useWords } from "../words";
import { AlertIcon, type IconProps, NoteIcon, TickIcon } from "./icons";

/** An error that already speaks the person's language. */
export class Told extends Error {}

/** What to tell a person of an error, in their language as far as it is known. */
export function explain(error: unknown, t: Say): string {
  if (error instanceof Told) return error.message;
  if (error instanceof DOMException) {
    return t(error.name === "InvalidStateError" ? "errors.keyKnown" : "errors.keyRefused");
  }
  if (!(error instanceof ApiError)) return error instanceof Error ? error.message : String(error);
  if (error.status === 0) return t("errors.unreachable");
  if (error.status === 413) return t("errors.tooLarge");
  if (error.status === 429) return t("errors.tooMany");
  if (error.status === 502 || error.status === 503 || error.status === 504) return t("errors.away");
  return error.message;
}

/** What went wrong, read out at once, with the id of the audit event an administrator can look up. */
export function Problem({ error, text = "" }: { error: unknown; text?: string }) {
  const { t } = useWords();
  if (!error) return null;
  return (
    <div
      role="alert"
      className="flex gap-2.5 rounded-lg border border-bad-line bg-bad-tint px-3 py-2.5 text-bad text-sm"
    >
      <AlertIcon className="mt-px size-5" />
      <div className="min-w-0">
        {text || explain(error, t)}
        {error instanceof ApiError && error.eventId ? (
          <p className="mt-1 break-all text-xs">
            {t("eventId")}: <code>{error.eventId}</code>
          </p>
        ) : null}
      </div>
    </div>
  );
}

const NOTES: Record<string, { look: string; icon: ComponentType<IconProps> }> = {
  good: { look: "border-good-line bg-good-tint text-good", icon: TickIcon },
  care: { look: "border-care-line bg-care-tint text-care", icon: NoteIcon },
};

/** Something to know, not an error. */
export function Note({ kind = "care", children }: { kind?: "good" | "care"; children: ReactNode }) {
  const note = NOTES[kind];
  if (note === undefined) return null;
  return (
    <div
      role="status"
      className={`flex items-start gap-2.5 rounded-lg border px-3 py-2.5 text-sm ${note.look}`}
    >
      <note.icon className="mt-px size-5" />
      <div className="min-w-0 flex-1">{children}</div>
    </div>
  );
}
