import { useCallback, useEffect, useState } from "react";
import { call } from "../api/call";
import { isInForce, stateOf, wantedOf } from "../api/request";
import type { AccessRequest, AccessRequestPage } from "../api/types";
import { Button } from "../parts/controls";
import { PlusIcon } from "../parts/icons";
import { Page } from "../parts/Page";
import { Panel } from "../parts/Panel";
import { Note, Problem } from "../parts/Problem";
import { WaitingRows } from "../parts/Waiting";
import { Wanted } from "../parts/Wanted";
import { useWords } from "../words";
import { NewRequest } from "./NewRequest";
import { ReviewRequest } from "./ReviewRequest";
import { Taking } from "./Taking";

const PAGE = 50;

/** What the person asked for, and what waits for their word. */
export function Requests() {
  const { t } = useWords();
  const [isAsking, setAsking] = useState(false);
  const [reviewed, setReviewed] = useState<AccessRequest | null>(null);
  const [done, setDone] = useState("");
  const [version, setVersion] = useState(0);

  function finish(text: string) {
    setAsking(false);
    setReviewed(null);
    setDone(text);
    setVersion((old) => old + 1);
  }

  return (
    <Page
      title={t("requests.title")}
      aside={
        <Button onClick={() => setAsking(true)}>
          <PlusIcon className="size-4" />
          {t("requests.ask")}
        </Button>
      }
    >
      {done ? <Note kind="good">{done}</Note> : null}
      <RequestList scope="reviewable" version={version} review={setReviewed} />
      <RequestList scope="mine" version={version} taken={finish} />
      {isAsking ? (
        <NewRequest close={() => setAsking(false)} asked={() => finish(t("requests.asked"))} />
      ) : null}
      {reviewed ? (
        <ReviewRequest
          request={reviewed}
          close={() => setReviewed(null)}
          reviewed={(after) => finish(t(`requests.after.${stateOf(after)}`))}
        />
      ) : null}
    </Page>
  );
}

function RequestList(props: {
  scope: "mine" | "reviewable";
  version: number;
  review?: (request: AccessRequest) => void;
  taken?: (text: string) => void;
}) {
  const { scope, version } = props;
  const { t } = useWords();
  const [requests, setRequests] = useState<AccessRequest[] | null>(null);
  const [next, setNext] = useState("");
  const [error, setError] = useState<unknown>(null);

  const read = useCallback(
    (start: string) => {
      const asked = new URLSearchParams({ scope, limit: String(PAGE), ...(start ? { start } : {}) });
      return call<AccessRequestPage>("GET", `/v1/accessrequests?${asked}`);
    },
    [scope],
  );

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new version is a reason to read again
  useEffect(() => {
    let isCurrent = true;
    read("")
      .then((page) => {
        if (!isCurrent) return;
        setError(null);
        setRequests(page.requests ?? []);
        setNext(page.next_start ?? "");
      })
      .catch((problem) => isCurrent && setError(problem));
    return () => {
      isCurrent = false;
    };
  }, [read, version]);

  function more() {
    read(next)
      .then((page) => {
        setRequests((old) => [...(old ?? []), ...(page.requests ?? [])]);
        setNext(page.next_start ?? "");
      })
      .catch(setError);
  }

  return (
    <Panel title={t(`requests.${scope}`)}>
      <div className="flex flex-col gap-3">
        <Problem error={error} />
        {requests === null && !error ? <WaitingRows count={2} /> : null}
        {requests?.length === 0 ? <p className="text-sm text-soft">{t(`requests.${scope}None`)}</p> : null}
        {requests?.length ? (
          <ul className="divide-y divide-line rounded-lg border border-line">
            {requests.map((request) => (
              <RequestRow
                key={request.metadata.name}
                request={request}
                review={props.review}
                taken={props.taken}
              />
            ))}
          </ul>
        ) : null}
        {next ? (
          <Button look="plain" size="small" onClick={more}>
            {t("servers.more")}
          </Button>
        ) : null}
      </div>
    </Panel>
  );
}

function RequestRow(props: {
  request: AccessRequest;
  review: ((request: AccessRequest) => void) | undefined;
  taken: ((text: string) => void) | undefined;
}) {
  const { request, review, taken } = props;
  const { t, language } = useWords();
  const { spec } = request;
  const time = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
  const when = spec.created ? time.format(new Date(spec.created)) : "";
  const isApproved = spec.state === "APPROVED";
  const until =
    isApproved && spec.expires ? t("requests.until", { when: time.format(new Date(spec.expires)) }) : "";
  const from =
    isApproved && spec.assume_start_time
      ? t("requests.from", { when: time.format(new Date(spec.assume_start_time)) })
      : "";
  const facts = [t(`requests.states.${stateOf(request)}`), spec.user, when, from, until];
  return (
    <li className="flex flex-wrap items-start gap-3 px-4 py-3">
      <div className="flex min-w-0 flex-1 flex-col gap-1.5">
        <Wanted request={request} />
        <p className="break-words text-soft text-xs">{facts.filter(Boolean).join(" · ")}</p>
        {spec.request_reason ? <p className="break-words text-sm">{spec.request_reason}</p> : null}
        {spec.promoted_access_list_title ? (
          <p className="break-words text-sm">
            {t("requests.promoted", { list: spec.promoted_access_list_title })}
          </p>
        ) : null}
        {spec.reviews?.length ? (
          <ul className="flex flex-col gap-0.5 text-soft text-xs">
            {spec.reviews.map((each) => (
              <li key={each.author} className="break-words">
                {[each.author, t(`requests.states.${each.proposed_state ?? "NONE"}`), each.reason]
                  .filter(Boolean)
                  .join(" · ")}
              </li>
            ))}
          </ul>
        ) : null}
      </div>
      {review ? (
        <Button
          look="plain"
          size="small"
          aria-label={t("requests.reviewOf", { user: spec.user, wanted: wantedOf(request).join(", ") })}
          onClick={() => review(request)}
        >
          {t("requests.review")}
        </Button>
      ) : null}
      {taken && isInForce(request) ? <Taking request={request} taken={taken} /> : null}
    </li>
  );
}
