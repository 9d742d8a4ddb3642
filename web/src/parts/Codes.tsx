import { useState } from "react";
import { useWords } from "../words";
import { Button } from "./controls";
import { CopyIcon, TickIcon } from "./icons";
import { Note } from "./Problem";

/** Recovery codes, shown this once. */
export function Codes({ codes }: { codes: string[] }) {
  const { t } = useWords();
  const [isCopied, setCopied] = useState(false);

  async function copy() {
    await navigator.clipboard.writeText(`${codes.join("\n")}\n`);
    setCopied(true);
  }

  return (
    <>
      <Note>{t("recovery.once")}</Note>
      <ol
        aria-label={t("recovery.title")}
        className="flex flex-col gap-2 rounded-lg border border-line bg-well px-4 py-3"
      >
        {codes.map((code) => (
          <li key={code} className="select-all break-all font-mono text-sm">
            {code}
          </li>
        ))}
      </ol>
      <div>
        <Button look="plain" size="small" onClick={() => void copy()}>
          {isCopied ? <TickIcon className="size-4 text-good" /> : <CopyIcon className="size-4" />}
          <span aria-live="polite">{t(isCopied ? "copied" : "recovery.copy")}</span>
        </Button>
      </div>
    </>
  );
}
