import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, it } from "vitest";
import { chooseLanguage } from "../src/words";
import { granted, network, open, refused, remember } from "./network";

const DAY = 86_400_000;
const inDays = (days: number) => new Date(Date.now() + days * DAY).toISOString();

function list(name: string, title: string, nextReview: string) {
  return {
    metadata: { name },
    spec: {
      title,
      owners: [{ name: "olga" }, { name: "leads", membership_kind: "MEMBERSHIP_KIND_LIST" }],
      grants: { roles: ["dba"], traits: { level: ["3"] } },
      audit: { recurrence: { frequency: "3months" }, next_audit_date: nextReview },
    },
  };
}

const DBAS = list("dbas", "Database people", inDays(-2));
const BOB = { metadata: { name: "bob" }, spec: { name: "bob", joined: inDays(-90), reason: "on call" } };
const INNER = {
  metadata: { name: "inner" },
  spec: { name: "inner", membership_kind: "MEMBERSHIP_KIND_LIST" },
};

beforeEach(() => {
  remember();
  network
    .on("POST /webapi/sessions/web/renew", granted())
    .on("GET /v1/accesslists", {
      lists: [DBAS, list("web", "Web people", inDays(5)), list("far", "Far people", inDays(90))],
      standings: [
        { runs: true, is_owner: true, is_review_due: true },
        { is_review_due: true },
        { is_member: true },
      ],
    })
    .on("GET /v1/accesslists/dbas", { access_list: DBAS, standing: { runs: true, is_owner: true } })
    .on("GET /v1/accesslists/dbas/members", { members: [BOB, INNER], titles: { inner: "Inner people" } })
    .on("GET /v1/accesslists/dbas/reviews", {});
});

it("marks what has to be reviewed only for those who can do it", async () => {
  open("/lists");
  const row = async (title: string) =>
    within(((await screen.findByRole("link", { name: title })).closest("li") ?? undefined) as HTMLElement);
  (await row("Database people")).getByText("Review is late");
  expect((await row("Web people")).queryByText(/Review is/)).toBeNull();
  (await row("Far people")).getByText("Member");
});

it("says that there is no list, in Korean too", async () => {
  chooseLanguage("ko");
  network.on("GET /v1/accesslists", {});
  open("/lists");
  await screen.findByText("해당하는 접근 목록이 없습니다.");
});

it("shows what a list gives and who is in it, with a way into lists that one may open", async () => {
  open("/lists/dbas");
  await screen.findByRole("heading", { name: "Database people", level: 1 });
  screen.getByText("role dba");
  screen.getByText("level: 3");
  screen.getByText("on call");
  expect(screen.getByRole("link", { name: "Inner people" }).getAttribute("href")).toBe("/web/lists/inner");
  expect(screen.queryByRole("link", { name: "leads" })).toBeNull();
});

it("offers members nothing to change", async () => {
  network.on("GET /v1/accesslists/dbas", { access_list: DBAS, standing: { is_member: true } });
  open("/lists/dbas");
  await screen.findByText("on call");
  for (const name of [/Add a member/, /Remove/, /Review the members/]) {
    expect(screen.queryByRole("button", { name })).toBeNull();
  }
  expect(network.of("GET /v1/accesslists/dbas/reviews")).toEqual([]);
});

it("adds a member until the end of a day, and explains a refusal", async () => {
  network.on("PUT /v1/accesslists/dbas/members/eve", () =>
    refused(403, "access_denied", "somebody else has to add you"),
  );
  open("/lists/dbas");
  await userEvent.click(await screen.findByRole("button", { name: "Add a member" }));
  const dialog = within(screen.getByRole("dialog"));
  await userEvent.type(dialog.getByLabelText("User name"), "eve");
  await userEvent.type(dialog.getByLabelText("Until the end of"), "2030-01-31");
  await userEvent.click(dialog.getByRole("button", { name: "Add" }));
  await dialog.findByText(/somebody else has to add you/);
  network.on("PUT /v1/accesslists/dbas/members/eve", {});
  await userEvent.click(dialog.getByRole("button", { name: "Add" }));
  await screen.findByText(/eve was added/);
  const expires = new Date("2030-01-31T23:59:59").toISOString();
  expect(network.of("PUT /v1/accesslists/dbas/members/eve").at(-1)?.body).toEqual({
    kind: "user",
    reason: "",
    expires,
  });
});

it("records a review with those who leave", async () => {
  network.on("POST /v1/accesslists/dbas/reviews", { review: {}, next_audit_date: "2031-02-01T00:00:00Z" });
  open("/lists/dbas");
  await userEvent.click(await screen.findByRole("button", { name: "Review the members" }));
  const dialog = within(screen.getByRole("dialog"));
  await userEvent.click(dialog.getByRole("checkbox", { name: "bob" }));
  dialog.getByText("1 member will be removed.");
  await userEvent.selectOptions(dialog.getByLabelText("How often is it reviewed?"), "every month");
  await userEvent.click(dialog.getByRole("button", { name: "Record the review" }));
  await screen.findByText(/The review is recorded. The next one is due on February 1, 2031|January 31, 2031/);
  expect(network.of("POST /v1/accesslists/dbas/reviews").at(0)?.body).toEqual({
    notes: "",
    removed_members: ["bob"],
    frequency: "1month",
  });
});
