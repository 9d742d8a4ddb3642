import { type FormEvent, useEffect, useState } from "react";
import { call } from "../api/call";
import { MAX_REASON, pathOf } from "../api/request";
import type { AccessList, AccessListPage, AccessRequest } from "../api/types";
import { Button, Field, Select } from "../parts/controls";
import { Dialog } from "../parts/Dialog";
import { Problem } from "../parts/Problem";
import { Wanted } from "../parts/Wanted";
import { useWords } from "../words";
import { givenBy } from "./list";

/** Lists that the reviewer runs: what becomes of a request can be a membership. */
async function ownLists(): Promise<AccessList[]> {
  const page = await call<AccessListPage>("GET", "/v1/accesslists");
  return (page.lists ?? []).filter((_, index) => page.standings?.[index]?.runs);
}

/** Yes or no to somebody's request, or a membership, with the reason that the audit log keeps. */
export function ReviewRequest(props: {
  request: AccessRequest;
  close: () => void;
  reviewed: (after: AccessRequest) => void;
}) {
  const { t } = useWords();
  const [reason, setReason] = useState("");
  const [lists, setLists] = useState<AccessList[]>([]);
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const { metadata, spec } = props.request;

  useEffect(() => {
    let isCurrent = true;
    ownLists()
      .then((found) => isCurrent && setLists(found))
      .catch((problem) => isCurrent && setError(problem));
    return () => {
      isCurrent = false;
    };
  }, []);

  async function decide(decision: { state: "APPROVED" | "DENIED" | "PROMOTED"; access_list?: string }) {
    setBusy(true);
    setError(null);
    try {
      const path = `${pathOf(metadata.name)}/reviews`;
      const answer = await call<{ request: AccessRequest }>("POST", path, { ...decision, reason });
      props.reviewed(answer.request);
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  }

  return (
    <Dialog title={t("requests.reviewTitle", { user: spec.user })} close={props.close}>
      <Problem error={error} />
      <Wanted request={props.request} />
      {spec.request_reason ? <p className="break-words text-sm">{spec.request_reason}</p> : null}
      <Field
        label={t("requests.reason")}
        maxLength={MAX_REASON}
        value={reason}
        onChange={(event) => setReason(event.target.value)}
      />
      <div className="flex flex-wrap gap-3">
        <Button disabled={isBusy} onClick={() => void decide({ state: "APPROVED" })}>
          {t("requests.approve")}
        </Button>
        <Button look="danger" disabled={isBusy} onClick={() => void decide({ state: "DENIED" })}>
          {t("requests.deny")}
        </Button>
      </div>
      {lists.length ? (
        <Promotion
          user={spec.user}
          lists={lists}
          isBusy={isBusy}
          promote={(name) => void decide({ state: "PROMOTED", access_list: name })}
        />
      ) : null}
    </Dialog>
  );
}

function Promotion(props: {
  user: string;
  lists: AccessList[];
  isBusy: boolean;
  promote: (name: string) => void;
}) {
  const { t } = useWords();
  const { lists } = props;
  const [name, setName] = useState(lists[0]?.metadata.name ?? "");
  const given = givenBy(lists.find((list) => list.metadata.name === name)?.spec.grants, t);

  function submit(event: FormEvent) {
    event.preventDefault();
    props.promote(name);
  }

  return (
    <form className="flex flex-col gap-3 border-line border-t pt-4" onSubmit={submit}>
      <p className="text-pretty text-sm text-soft">{t("requests.promoteText", { user: props.user })}</p>
      <Select
        label={t("lists.one")}
        value={name}
        choose={setName}
        options={lists.map((list) => ({ value: list.metadata.name, label: list.spec.title }))}
      />
      <p className="break-words text-soft text-xs">
        {t("requests.promoteGives", { given: given.join(", ") })}
      </p>
      <div>
        <Button look="plain" type="submit" disabled={props.isBusy}>
          {t("requests.promote")}
        </Button>
      </div>
    </form>
  );
}
