import { useState } from "react";
import { wantedOf } from "../api/request";
import type { AccessRequest } from "../api/types";
import { Badge, Button } from "../parts/controls";
import { Problem } from "../parts/Problem";
import { useSession } from "../session";
import { useWords } from "../words";

/** Takes an approved request on. It is dropped where every page shows it. */
export function Taking({ request, taken }: { request: AccessRequest; taken: (text: string) => void }) {
  const { t } = useWords();
  const { state, assume } = useSession();
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const id = request.metadata.name;

  if (state.kind === "in" && state.assumed.requests.includes(id)) {
    return <Badge tone="care">{t("requests.inUse")}</Badge>;
  }

  async function take() {
    setBusy(true);
    setError(null);
    try {
      await assume([id], []);
      taken(t("requests.taken"));
      document.getElementById("content")?.focus({ preventScroll: true }); // the button is gone
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  }

  return (
    <>
      <Button
        size="small"
        aria-label={t("requests.takeNamed", { wanted: wantedOf(request).join(", ") })}
        disabled={isBusy}
        onClick={() => void take()}
      >
        {t("requests.take")}
      </Button>
      {error ? (
        <div className="basis-full">
          <Problem error={error} />
        </div>
      ) : null}
    </>
  );
}
