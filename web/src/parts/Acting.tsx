import { useEffect, useState } from "react";
import { call } from "../api/call";
import { pathOf, wantedOf } from "../api/request";
import type { AccessRequest } from "../api/types";
import { type Assumed, useSession } from "../session";
import { useWords } from "../words";
import { Button } from "./controls";
import { KeyIcon } from "./icons";
import { Problem } from "./Problem";
import { Wanted } from "./Wanted";

/** Says on every page that the session acts with more than the person's own roles, until when, and how to stop. */
export function Acting() {
  const { state } = useSession();
  if (state.kind !== "in" || state.assumed.requests.length === 0) return null;
  return <Strip assumed={state.assumed} />;
}

function Strip({ assumed }: { assumed: Assumed }) {
  const { t, language } = useWords();
  const format = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
  const hours = new Intl.DateTimeFormat(language, { timeStyle: "short" });
  const isToday = new Date(assumed.ends).toDateString() === new Date().toDateString();
  const time = (isToday ? hours : format).format(assumed.ends);
  return (
    <section
      aria-label={t("acting.title")}
      className="border-care-line border-b bg-care-tint px-4 py-2.5 text-care text-sm lg:px-6"
    >
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <p className="flex items-center gap-2 font-medium">
          <KeyIcon />
          {t("acting.until", { time })}
        </p>
        <ul className="flex min-w-0 flex-wrap gap-x-6 gap-y-2">
          {assumed.requests.map((id) => (
            <Taken key={id} id={id} />
          ))}
        </ul>
      </div>
    </section>
  );
}

function Taken({ id }: { id: string }) {
  const { t } = useWords();
  const { assume } = useSession();
  const [request, setRequest] = useState<AccessRequest | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);

  useEffect(() => {
    let isCurrent = true;
    call<{ request: AccessRequest }>("GET", pathOf(id))
      .then((answer) => isCurrent && setRequest(answer.request))
      .catch(() => undefined); // it can be dropped without its name
    return () => {
      isCurrent = false;
    };
  }, [id]);

  async function drop() {
    setBusy(true);
    setError(null);
    try {
      await assume([], [id]);
      document.getElementById("content")?.focus({ preventScroll: true }); // the button is gone
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  }

  const name = request ? wantedOf(request).join(", ") : id;
  return (
    <li className="flex min-w-0 flex-wrap items-center gap-2">
      {request ? (
        <span className="text-ink">
          <Wanted request={request} />
        </span>
      ) : null}
      <Button
        look="plain"
        size="small"
        aria-label={t("acting.dropNamed", { name })}
        disabled={isBusy}
        onClick={() => void drop()}
      >
        {t("acting.drop")}
      </Button>
      <Problem error={error} />
    </li>
  );
}
