import { useTranslation } from "react-i18next";
import { ApiError } from "../api/call";

/** What went wrong, read out at once, with the id of the audit event an administrator can look up. */
export function Problem({ error }: { error: unknown }) {
  const { t } = useTranslation();
  if (!error) return null;
  const text = error instanceof Error ? error.message : String(error);
  return (
    <div
      role="alert"
      className="rounded-lg border border-red-300 bg-red-50 px-3 py-2 text-red-900 text-sm dark:border-red-800 dark:bg-red-950 dark:text-red-100"
    >
      {text}
      {error instanceof ApiError && error.eventId ? (
        <p className="mt-1 text-xs">
          {t("eventId")}: <code>{error.eventId}</code>
        </p>
      ) : null}
    </div>
  );
}
