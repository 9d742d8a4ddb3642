import { Component, type ReactNode } from "react";
import { useWords } from "../words";
import { Button } from "./controls";
import { Entrance } from "./Entrance";

/** Catches what a page failed at, so that a person sees words instead of an empty screen. */
export class Broken extends Component<{ children: ReactNode }, { isBroken: boolean }> {
  override state = { isBroken: false };

  static getDerivedStateFromError() {
    return { isBroken: true };
  }

  override render() {
    return this.state.isBroken ? <Apology /> : this.props.children;
  }
}

function Apology() {
  const { t } = useWords();
  return (
    <Entrance page={t("broken.title")} title={t("broken.title")} intro={t("broken.text")}>
      <Button onClick={() => window.location.reload()}>{t("broken.reload")}</Button>
    </Entrance>
  );
}
