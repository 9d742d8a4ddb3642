import { type FormEvent, useEffect, useState } from "react";
import { call } from "../api/call";
import { MAX_REASON } from "../api/request";
import type { AccessCapabilities, WhoAmI } from "../api/types";
import { Button, Choices, Field, Select } from "../parts/controls";
import { Dialog } from "../parts/Dialog";
import { KeyIcon, ServersIcon } from "../parts/icons";
import { Problem } from "../parts/Problem";
import { WaitingRows } from "../parts/Waiting";
import { useWords } from "../words";
import { type Chosen, ServerChooser } from "./ServerChooser";

type What = "roles" | "servers";

const DURATIONS = ["", "PT1H", "PT4H", "PT8H", "P1D", "P3D", "P7D"] as const;
type Duration = (typeof DURATIONS)[number];

interface Offered {
  able: AccessCapabilities;
  cluster: string;
}

async function offer(): Promise<Offered> {
  const [able, who] = await Promise.all([
    call<AccessCapabilities>("GET", "/v1/requestable"),
    call<WhoAmI>("GET", "/v1/whoami"),
  ]);
  return { able, cluster: who.cluster };
}

/** Roles or servers that the person may ask for, why, for how long, and who should look at it. */
export function NewRequest({ close, asked }: { close: () => void; asked: () => void }) {
  const { t } = useWords();
  const [offered, setOffered] = useState<Offered | null>(null);
  const [error, setError] = useState<unknown>(null);

  useEffect(() => {
    let isCurrent = true;
    offer()
      .then((answer) => isCurrent && setOffered(answer))
      .catch((problem) => isCurrent && setError(problem));
    return () => {
      isCurrent = false;
    };
  }, []);

  const kinds: What[] = [];
  if (offered?.able.requestable_roles?.length) kinds.push("roles");
  if (offered?.able.search_as_roles?.length) kinds.push("servers");
  return (
    <Dialog title={t("requests.ask")} close={close}>
      <Problem error={error} />
      {offered === null && !error ? <WaitingRows count={2} /> : null}
      {offered !== null && kinds.length === 0 ? <p className="text-sm">{t("requests.nothing")}</p> : null}
      {offered !== null && kinds.length > 0 ? (
        <RequestForm offered={offered} kinds={kinds} asked={asked} />
      ) : null}
    </Dialog>
  );
}

function RequestForm({ offered, kinds, asked }: { offered: Offered; kinds: What[]; asked: () => void }) {
  const { t } = useWords();
  const { able, cluster } = offered;
  const [what, setWhat] = useState<What>(kinds[0] ?? "roles");
  const [roles, setRoles] = useState<string[]>([]);
  const [servers, setServers] = useState<Chosen>(new Map());
  const [reason, setReason] = useState("");
  const [duration, setDuration] = useState<Duration>("");
  const [reviewers, setReviewers] = useState((able.suggested_reviewers ?? []).join(", "));
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);

  function choose(role: string, isChosen: boolean) {
    setRoles((old) => (isChosen ? [...old, role] : old.filter((each) => each !== role)));
  }

  async function submit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const wanted =
        what === "roles"
          ? { roles }
          : { resource_ids: [...servers.keys()].map((server) => `/${cluster}/node/${server}`) };
      await call("POST", "/v1/accessrequests", {
        ...wanted,
        reason,
        suggested_reviewers: reviewers.split(/[\s,]+/).filter(Boolean),
        ...(duration ? { max_duration: duration } : {}),
      });
      asked();
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  }

  const needsReason =
    able.reason_required ||
    (what === "roles" && roles.some((role) => able.reason_required_for?.includes(role)));
  const isEmpty = what === "roles" ? roles.length === 0 : servers.size === 0;
  return (
    <form className="flex flex-col gap-4" onSubmit={(event) => void submit(event)}>
      {kinds.length > 1 ? (
        <Choices
          legend={t("requests.what")}
          isLegendShown
          chosen={what}
          choose={setWhat}
          options={[
            { value: "roles", label: t("requests.whatRoles"), icon: KeyIcon },
            {
              value: "servers",
              label: t("requests.whatServers"),
              text: t("requests.whatServersText"),
              icon: ServersIcon,
            },
          ]}
        />
      ) : null}
      {what === "roles" ? (
        <fieldset className="flex flex-col gap-1">
          <legend className="mb-1 font-medium text-sm">{t("requests.roles")}</legend>
          {(able.requestable_roles ?? []).map((role) => (
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
      ) : (
        <ServerChooser chosen={servers} choose={setServers} />
      )}
      <Field
        label={t("requests.reason")}
        hint={(able.reason_prompts ?? []).join(" ")}
        maxLength={MAX_REASON}
        required={Boolean(needsReason)}
        value={reason}
        onChange={(event) => setReason(event.target.value)}
      />
      <Select
        label={t("requests.duration")}
        value={duration}
        choose={setDuration}
        options={DURATIONS.map((value) => ({ value, label: t(`requests.durations.${value || "most"}`) }))}
      />
      <Field
        label={t("requests.reviewers")}
        hint={t("requests.reviewersHint")}
        value={reviewers}
        onChange={(event) => setReviewers(event.target.value)}
      />
      <Problem error={error} />
      <div>
        <Button type="submit" disabled={isBusy || isEmpty}>
          {t("requests.send")}
        </Button>
      </div>
    </form>
  );
}
