import { useState } from "react";
import { call } from "../api/call";
import type { AccessRequest } from "../api/types";
import { Button, Field } from "../parts/controls";
import { Dialog } from "../parts/Dialog";
import { Problem } from "../parts/Problem";
import { useWords } from "../words";
import { MAX_REASON, wantedOf } from "./request";

/** Yes or no to somebody's request, with the reason that the audit log keeps. */
export function ReviewRequest(props: {
  request: AccessRequest;
  close: () => void;
  reviewed: (after: AccessRequest) => void;
}) {
  const { t } = useWords();
  const [reason, setReason] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const { metadata, spec } = props.request;

  async function decide(state: "APPROVED" | "DENIED") {
    setBusy(true);
    setError(null);
    try {
      const path = `/v1/accessrequests/${encodeURIComponent(metadata.name)}/reviews`;
      const answer = await call<{ request: AccessRequest }>("POST", path, { state, reason });
      props.reviewed(answer.request);
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  }

  return (
    <Dialog title={t("requests.reviewTitle", { user: spec.user })} close={props.close}>
      <Problem error={error} />
      <p className="break-words font-mono text-sm">{wantedOf(props.request).join(", ")}</p>
      {spec.request_reason ? <p className="break-words text-sm">{spec.request_reason}</p> : null}
      <Field
        label={t("requests.reason")}
        maxLength={MAX_REASON}
        value={reason}
        onChange={(event) => setReason(event.target.value)}
      />
      <div className="flex flex-wrap gap-3">
        <Button disabled={isBusy} onClick={() => void decide("APPROVED")}>
          {t("requests.approve")}
        </Button>
        <Button look="danger" disabled={isBusy} onClick={() => void decide("DENIED")}>
          {t("requests.deny")}
        </Button>
      </div>
    </Dialog>
  );
}
