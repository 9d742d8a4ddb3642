import type { TotpRegistration } from "../api/types";
import { useWords } from "../words";
import { CodeField } from "./controls";

/** The secret as a picture to scan and as text to type, and the field for the code that proves it arrived. */
export function Totp(props: {
  registration: TotpRegistration;
  code: string;
  change: (code: string) => void;
  autoFocus?: boolean;
}) {
  const { t } = useWords();
  const { qrCode, secret } = props.registration;
  return (
    <div className="flex flex-col gap-4">
      <p className="text-sm text-soft">{t("signUp.scan")}</p>
      <img
        src={`data:image/svg+xml,${encodeURIComponent(qrCode)}`}
        alt={t("signUp.picture")}
        className="size-48 self-center rounded-xl border border-line bg-white p-1.5"
      />
      <p className="text-center text-soft text-sm">
        {t("signUp.cannotScan")}:
        <code className="mt-1 block select-all break-all font-mono text-ink text-xs">{secret}</code>
      </p>
      <CodeField value={props.code} change={props.change} autoFocus={props.autoFocus ?? false} />
    </div>
  );
}
