import { type FormEvent, useEffect, useState } from "react";
import { call } from "../api/call";
import type { AccessCapabilities } from "../api/types";
import { Button, Field } from "../parts/controls";
import { Dialog } from "../parts/Dialog";
import { Problem } from "../parts/Problem";
import { WaitingRows } from "../parts/Waiting";
import { useWords } from "../words";
import { MAX_REASON } from "./request";

/** Roles that the person may ask for, why, and who should look at it. */
export function NewRequest({ close, asked }: { close: () => void; asked: () => void }) {
  const { t } = useWords();
  const [offered, setOffered] = useState<AccessCapabilities | null>(null);
  const [roles, setRoles] = useState<string[]>([]);
  const [reason, setReason] = useState("");
  const [reviewers, setReviewers] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);

  useEffect(() => {
    let isCurrent = true;
    call<AccessCapabilities>("GET", "/v1/requestable")
      .then((answer) => {
        if (!isCurrent) return;
        setOffered(answer);
        setReviewers((answer.suggested_reviewers ?? []).join(", "));
      })
      .catch((problem) => isCurrent && setError(problem));
    return () => {
      isCurrent = false;
    };
  }, []);

  function choose(role: string, isChosen: boolean) {
    setRoles((old) => (isChosen ? [...old, role] : old.filter((each) => each !== role)));
  }

  async function submit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const suggested_reviewers = reviewers.split(/[\s,]+/).filter(Boolean);
      await call("POST", "/v1/accessrequests", { roles, reason, suggested_reviewers });
      asked();
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  }

  const names = offered?.requestable_roles ?? [];
  const needsReason =
    offered?.reason_required || roles.some((role) => offered?.reason_required_for?.includes(role));
  return (
    <Dialog title={t("requests.ask")} close={close}>
      <Problem error={error} />
      {offered === null && !error ? <WaitingRows count={2} /> : null}
      {offered !== null && names.length === 0 ? <p className="text-sm">{t("requests.nothing")}</p> : null}
      {names.length ? (
        <form className="flex flex-col gap-4" onSubmit={(event) => void submit(event)}>
          <fieldset className="flex flex-col gap-1">
            <legend className="mb-1 font-medium text-sm">{t("requests.roles")}</legend>
            {names.map((role) => (
              <label key={role} className="flex min-h-8 items-center gap-3 text-sm">
                <input
                  type="checkbox"
                  className="size-4 accent-link"
                  checked={roles.includes(role)}
                  onChange={(event) => choose(role, event.target.checked)}
                />
                <span className="min-w-0 break-words font-mono">{role}</span>
              </label>
            ))}
          </fieldset>
          <Field
            label={t("requests.reason")}
            hint={(offered?.reason_prompts ?? []).join(" ")}
            maxLength={MAX_REASON}
            required={Boolean(needsReason)}
            value={reason}
            onChange={(event) => setReason(event.target.value)}
          />
          <Field
            label={t("requests.reviewers")}
            hint={t("requests.reviewersHint")}
            value={reviewers}
            onChange={(event) => setReviewers(event.target.value)}
          />
          <div>
            <Button type="submit" disabled={isBusy || roles.length === 0}>
              {t("requests.send")}
            </Button>
          </div>
        </form>
      ) : null}
    </Dialog>
  );
}
