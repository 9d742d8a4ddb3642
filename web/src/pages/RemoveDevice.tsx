import { call } from "../api/call";
import type { Device, Proof } from "../api/types";
import { Dialog } from "../parts/Dialog";
import { Prove } from "../parts/Prove";
import { useWords } from "../words";

export function RemoveDevice({
  device,
  close,
  removed,
}: {
  device: Device;
  close: () => void;
  removed: () => void;
}) {
  const { t } = useWords();
  async function proved(existing: Proof) {
    await call("POST", "/v1/mfa/devices/remove", { name: device.id, existing });
    removed();
  }
  return (
    <Dialog title={t("account.removeTitle", { name: device.name })} close={close}>
      <p className="text-sm text-soft">{t("account.removeText")}</p>
      <Prove scope="manage_devices" proved={proved} />
    </Dialog>
  );
}
