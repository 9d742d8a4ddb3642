import { useEffect, useState } from "react";
import { useParams } from "react-router";
import { call } from "../api/call";
import type { Proof } from "../api/types";
import { Button } from "../parts/controls";
import { Page } from "../parts/Page";
import { Note, Problem } from "../parts/Problem";
import { Prove } from "../parts/Prove";
import { useWords } from "../words";

interface HeadlessRequest {
  id: string;
  user: string;
  state: "pending" | "approved" | "denied";
  client_ip_address: string;
}

/** A command on another machine waits for its user's word: where it runs, and yes (with a key) or no. */
export function Headless() {
  const { t } = useWords();
  const { id = "" } = useParams();
  const path = `/v1/headless/${encodeURIComponent(id)}`;
  const [request, setRequest] = useState<HeadlessRequest | null>(null);
  const [error, setError] = useState<unknown>(null);

  useEffect(() => {
    call<HeadlessRequest>("GET", path).then(setRequest).catch(setError);
  }, [path]);

  async function accept(proof: Proof) {
    const answer = { action: "accept", webauthnAssertionResponse: proof.webauthn_response };
    setRequest(await call<HeadlessRequest>("PUT", path, answer));
  }

  function deny() {
    setError(null);
    call<HeadlessRequest>("PUT", path, { action: "deny" }).then(setRequest).catch(setError);
  }

  return (
    <Page title={t("headless.title")}>
      <div className="flex max-w-md flex-col gap-4 rounded-xl border border-line bg-card p-5 shadow-card">
        <Problem error={error} />
        {request?.state === "pending" ? (
          <>
            <p className="text-sm">
              {t("headless.asked", { address: request.client_ip_address, user: request.user })}
            </p>
            <p className="text-sm text-soft">{t("headless.warning")}</p>
            <Prove scope="headless" proved={accept} />
            <Button look="danger" onClick={deny}>
              {t("headless.deny")}
            </Button>
          </>
        ) : null}
        {request?.state === "approved" ? <Note kind="good">{t("headless.approved")}</Note> : null}
        {request?.state === "denied" ? <Note>{t("headless.denied")}</Note> : null}
      </div>
    </Page>
  );
}
