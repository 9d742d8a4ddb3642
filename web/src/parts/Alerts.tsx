import { useEffect, useState } from "react";
import { call } from "../api/call";
import { useWords } from "../words";
import { CrossIcon } from "./icons";

interface Alert {
  metadata: { name: string; labels?: Record<string, string> };
  spec: { severity?: "LOW" | "MEDIUM" | "HIGH"; message: string };
}

const ON_LOGIN = "teleport.internal/alert-on-login";
const LINK = "teleport.internal/link";
const LINK_TEXT = "teleport.internal/link-text";
const LOOKS = {
  LOW: "border-line bg-well text-ink",
  MEDIUM: "border-care-line bg-care-tint text-care",
  HIGH: "border-bad-line bg-bad-tint text-bad",
};

/** What the cluster wants people to read: a bar each, until it is closed. Without an answer there is none. */
export function Alerts() {
  const { t } = useWords();
  const [alerts, setAlerts] = useState<Alert[]>([]);

  useEffect(() => {
    let isGone = false;
    const labels = encodeURIComponent(JSON.stringify({ [ON_LOGIN]: "yes" }));
    call<{ alerts?: { alert: Alert }[] }>("GET", `/v1/alerts?labels=${labels}`).then(
      (answer) => isGone || setAlerts((answer.alerts ?? []).map((one) => one.alert)),
      () => undefined,
    );
    return () => {
      isGone = true;
    };
  }, []);

  return alerts.map(({ metadata, spec }) => (
    <div
      key={metadata.name}
      role="status"
      className={`mb-4 flex items-start gap-2.5 rounded-lg border px-3 py-2.5 text-sm ${LOOKS[spec.severity ?? "LOW"]}`}
    >
      <p className="min-w-0 flex-1 whitespace-pre-line break-words">
        {spec.message}{" "}
        {metadata.labels?.[LINK] ? (
          <a href={metadata.labels[LINK]} target="_blank" rel="noreferrer" className="underline">
            {metadata.labels[LINK_TEXT] || metadata.labels[LINK]}
          </a>
        ) : null}
      </p>
      <button
        type="button"
        aria-label={t("close")}
        onClick={() => setAlerts((old) => old.filter((one) => one.metadata.name !== metadata.name))}
        className="-m-1 rounded p-1 hover:opacity-70"
      >
        <CrossIcon className="size-4" />
      </button>
    </div>
  ));
}
