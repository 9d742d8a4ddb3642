import { useCallback, useEffect, useState } from "react";
import { call } from "../api/call";
import type { Device, WhoAmI } from "../api/types";
import { Button } from "../parts/controls";
import { FingerIcon, KeyIcon, PhoneIcon, PlusIcon } from "../parts/icons";
import { Page } from "../parts/Page";
import { Panel } from "../parts/Panel";
import { Note, Problem } from "../parts/Problem";
import { WaitingRows } from "../parts/Waiting";
import { useSession } from "../session";
import { useWords } from "../words";
import { AddDevice } from "./AddDevice";
import { PasswordChange } from "./PasswordChange";
import { RecoveryCodesPanel } from "./RecoveryCodes";
import { RemoveDevice } from "./RemoveDevice";

/** Who the person is here, what proves it, and their password. */
export function Account() {
  const { t } = useWords();
  return (
    <Page title={t("account.title")}>
      <About />
      <Devices />
      <RecoveryCodesPanel />
      <PasswordChange />
    </Page>
  );
}

function About() {
  const { t, language } = useWords();
  const { state } = useSession();
  const [who, setWho] = useState<WhoAmI | null>(null);
  const [error, setError] = useState<unknown>(null);

  const assumed = state.kind === "in" ? state.assumed.requests.join() : "";

  // biome-ignore lint/correctness/useExhaustiveDependencies: what was taken on or dropped are other roles
  useEffect(() => {
    call<WhoAmI>("GET", "/v1/whoami").then(setWho).catch(setError);
  }, [assumed]);

  if (state.kind !== "in") return null;
  const time = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
  const facts: [string, string][] = [
    [t("account.name"), state.username],
    [t("account.roles"), who?.roles?.join(", ") ?? "…"],
    [t("account.cluster"), who?.cluster ?? "…"],
    [t("account.ends"), time.format(state.expires)],
  ];
  return (
    <Panel title={t("account.about")}>
      <Problem error={error} />
      <dl className="grid gap-x-6 gap-y-4 sm:grid-cols-2">
        {facts.map(([name, value]) => (
          <div key={name} className="min-w-0">
            <dt className="text-soft text-xs">{name}</dt>
            <dd className="mt-0.5 break-words font-medium text-sm">{value}</dd>
          </div>
        ))}
      </dl>
    </Panel>
  );
}

function Devices() {
  const { t } = useWords();
  const [devices, setDevices] = useState<Device[] | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [done, setDone] = useState("");
  const [isAdding, setAdding] = useState(false);
  const [removed, setRemoved] = useState<Device | null>(null);

  const load = useCallback(() => {
    call<{ devices?: Device[] }>("GET", "/v1/mfa/devices")
      .then((answer) => setDevices(answer.devices ?? []))
      .catch(setError);
  }, []);
  useEffect(load, [load]);

  function finish(text: string) {
    setAdding(false);
    setRemoved(null);
    setDone(text);
    load();
  }

  return (
    <Panel
      title={t("account.devices")}
      text={t("account.devicesText")}
      aside={
        <Button look="plain" size="small" disabled={devices === null} onClick={() => setAdding(true)}>
          <PlusIcon className="size-4" />
          {t("account.add")}
        </Button>
      }
    >
      <div className="flex flex-col gap-3">
        {done ? <Note kind="good">{done}</Note> : null}
        <Problem error={error} />
        {devices === null && !error ? <WaitingRows count={2} /> : null}
        {devices?.length === 0 ? <p className="text-sm">{t("account.noDevices")}</p> : null}
        {devices?.length ? (
          <ul className="divide-y divide-line rounded-lg border border-line">
            {devices.map((device) => (
              <DeviceRow key={device.id} device={device} remove={() => setRemoved(device)} />
            ))}
          </ul>
        ) : null}
      </div>
      {isAdding ? (
        <AddDevice
          hasDevices={(devices?.length ?? 0) > 0}
          close={() => setAdding(false)}
          added={(name) => finish(t("account.addDone", { name }))}
        />
      ) : null}
      {removed ? (
        <RemoveDevice
          device={removed}
          close={() => setRemoved(null)}
          removed={() => finish(t("account.removed", { name: removed.name }))}
        />
      ) : null}
    </Panel>
  );
}

function DeviceRow({ device, remove }: { device: Device; remove: () => void }) {
  const { t, language } = useWords();
  const date = new Intl.DateTimeFormat(language, { dateStyle: "medium" });
  const kind = device.type === "totp" ? "totp" : device.passwordless ? "passkey" : "key";
  const Picture = { totp: PhoneIcon, passkey: FingerIcon, key: KeyIcon }[kind];
  const facts = [
    t(`account.${kind}`),
    device.added_at ? t("account.added", { when: date.format(new Date(device.added_at)) }) : "",
    device.last_used
      ? t("account.used", { when: date.format(new Date(device.last_used)) })
      : t("account.neverUsed"),
  ];
  return (
    <li className="flex items-center gap-3 px-4 py-3">
      <Picture className="size-6 text-link" />
      <div className="min-w-0 flex-1">
        <p className="break-words font-medium text-sm">{device.name}</p>
        <p className="text-soft text-xs">{facts.filter(Boolean).join(" · ")}</p>
      </div>
      <Button
        look="danger"
        size="small"
        aria-label={t("account.removeNamed", { name: device.name })}
        onClick={remove}
      >
        {t("account.remove")}
      </Button>
    </li>
  );
}
