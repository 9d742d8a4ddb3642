import { useWords } from "../words";
import { Choices } from "./controls";
import { FingerIcon, KeyIcon, PhoneIcon } from "./icons";

export type DeviceKind = "passkey" | "key" | "totp";

/** What the API calls a kind of device. */
export const DEVICE_TYPES: Record<DeviceKind, { type: "webauthn" | "totp"; usage: "passwordless" | "mfa" }> =
  {
    passkey: { type: "webauthn", usage: "passwordless" },
    key: { type: "webauthn", usage: "mfa" },
    totp: { type: "totp", usage: "mfa" },
  };

const ICONS = { passkey: FingerIcon, key: KeyIcon, totp: PhoneIcon };
const TEXTS = {
  passkey: "account.addPasskeyText",
  key: "account.addKeyText",
  totp: "account.addTotpText",
} as const;

/** Which kind of device a person registers. */
export function DeviceChoice(props: {
  kinds: DeviceKind[];
  chosen: DeviceKind;
  choose: (kind: DeviceKind) => void;
}) {
  const { t } = useWords();
  return (
    <Choices
      legend={t("account.addKind")}
      isLegendShown
      chosen={props.chosen}
      choose={props.choose}
      options={props.kinds.map((kind) => ({
        value: kind,
        label: t(`account.${kind}`),
        text: t(TEXTS[kind]),
        icon: ICONS[kind],
      }))}
    />
  );
}
