import { configure } from "@testing-library/react";

configure({ asyncUtilTimeout: 15_000 }); // a loaded machine is slow, not broken

// What a browser has and jsdom lacks.
HTMLDialogElement.prototype.showModal ??= function (this: HTMLDialogElement) {
  this.open = true;
};
HTMLDialogElement.prototype.close ??= function (this: HTMLDialogElement) {
  this.open = false;
};
