import { useEffect, useState } from "react";
import { touch } from "../activity";
import { useSession } from "../session";
import { useWords } from "../words";
import { Button } from "./controls";
import { Note } from "./Problem";

/** Says that the session ends soon, in time to do something about it. */
export function Ending() {
  const { ending } = useSession();
  return ending ? <Countdown key={ending.kind} kind={ending.kind} at={ending.at} /> : null;
}

function Countdown({ kind, at }: { kind: "session" | "idle"; at: number }) {
  const { t } = useWords();
  const { leave } = useSession();
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), 1_000);
    return () => window.clearInterval(timer);
  }, []);
  const seconds = Math.max(0, Math.ceil((at - now) / 1000));
  const time = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  return (
    <div className="mb-5">
      <Note>
        <div className="flex flex-wrap items-center justify-between gap-3">
          <p>{t(kind === "idle" ? "frame.idleSoon" : "frame.endsSoon", { time })}</p>
          {kind === "idle" ? (
            <Button look="plain" size="small" onClick={touch}>
              {t("frame.stay")}
            </Button>
          ) : (
            <Button look="plain" size="small" onClick={() => void leave("ended")}>
              {t("frame.again")}
            </Button>
          )}
        </div>
      </Note>
    </div>
  );
}
