import { useWords } from "../words";

/** A page that is not known yet. */
export function Waiting() {
  const { t } = useWords();
  return (
    <main className="flex min-h-dvh flex-col items-center justify-center gap-4">
      <img src="/web/icon.svg" alt="" className="pulse size-11" />
      <p role="status" className="sr-only">
        {t("loading")}
      </p>
    </main>
  );
}

/** Rows that are on their way. */
export function WaitingRows({ count }: { count: number }) {
  const { t } = useWords();
  return (
    <div className="rounded-xl border border-line bg-card shadow-card">
      <p role="status" className="sr-only">
        {t("loading")}
      </p>
      {Array.from({ length: count }, (_, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: rows without content have no other name
        <div key={row} className="flex items-center gap-6 border-line border-b px-5 py-5 last:border-b-0">
          <span className="pulse h-3.5 w-36 rounded bg-well" />
          <span className="pulse h-3.5 flex-1 rounded bg-well" />
          <span className="pulse h-3.5 w-16 rounded bg-well" />
        </div>
      ))}
    </div>
  );
}
