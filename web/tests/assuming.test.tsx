import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, it, vi } from "vitest";
import { granted, network, open, refused, remember } from "./network";

const HOUR = 3600_000;
const REQUEST = {
  metadata: { name: "request-1" },
  spec: {
    user: "alice",
    roles: ["db-access"],
    state: "APPROVED",
    expires: new Date(Date.now() + HOUR).toISOString(),
    requested_resource_ids: [{ cluster: "alpha.example", kind: "node", name: "id-1" }],
  },
};
const acting = (ends = Date.now() + HOUR) =>
  granted("token-2", { accessRequests: ["request-1"], accessEnds: new Date(ends).toISOString() });

beforeEach(() => {
  remember();
  network
    .on("POST /webapi/sessions/web/renew", granted())
    .on("GET /v1/accessrequests", ({ path }) =>
      Response.json({ requests: path.includes("scope=mine") ? [REQUEST] : [] }),
    )
    .on("GET /v1/accessrequests/request-1", { request: REQUEST })
    .on("GET /v1/accessrequests/request-1/resources", { resources: [{ id: "/a/node/id-1", name: "db-1" }] });
});

it("takes an approved request on, shows it on top, and drops it", async () => {
  network.on("POST /v1/websessions/access", () => {
    network.on("POST /webapi/sessions/web/renew", acting());
    return Response.json({ access_requests: ["request-1"] });
  });
  open("/requests");
  await userEvent.click(await screen.findByRole("button", { name: /^Use it now: db-access/ }));
  const strip = within(await screen.findByRole("region", { name: "Access taken on" }));
  strip.getByText(/You act with requested access until/);
  await strip.findByText("db-1");
  await screen.findByText("In use");
  network.on("POST /v1/websessions/access", () => {
    network.on("POST /webapi/sessions/web/renew", granted("token-3"));
    return Response.json({});
  });
  await userEvent.click(strip.getByRole("button", { name: /^Drop the access to db-access/ }));
  await waitFor(() => expect(screen.queryByRole("region", { name: "Access taken on" })).toBeNull());
  expect(document.activeElement?.id).toBe("content");
  expect(network.of("POST /v1/websessions/access").map(({ body }) => body)).toEqual([
    { access_requests: ["request-1"], drop_access_requests: [] },
    { access_requests: [], drop_access_requests: ["request-1"] },
  ]);
});

it("says why a request cannot be taken on", async () => {
  network.on("POST /v1/websessions/access", () => refused(403, "access_denied", "drop the other first"));
  open("/requests");
  await userEvent.click(await screen.findByRole("button", { name: /^Use it now/ }));
  await screen.findByText(/drop the other first/);
  expect(screen.queryByRole("region", { name: "Access taken on" })).toBeNull();
});

it("asks what it may at the moment the access ends", async () => {
  vi.useFakeTimers({ shouldAdvanceTime: true });
  network.on("POST /webapi/sessions/web/renew", acting(Date.now() + 5_000));
  open("/requests");
  await screen.findByRole("region", { name: "Access taken on" });
  network.on("POST /webapi/sessions/web/renew", granted("token-3"));
  await vi.advanceTimersByTimeAsync(6_000);
  await waitFor(() => expect(screen.queryByRole("region", { name: "Access taken on" })).toBeNull());
  await screen.findByRole("button", { name: /^Use it now/ });
});

it("offers nothing that has not begun or is over", async () => {
  const begins = { ...REQUEST.spec, assume_start_time: new Date(Date.now() + HOUR).toISOString() };
  const over = { ...REQUEST.spec, expires: new Date(Date.now() - HOUR).toISOString() };
  network.on("GET /v1/accessrequests", ({ path }) =>
    Response.json({
      requests: path.includes("scope=mine")
        ? [
            { metadata: { name: "a" }, spec: begins },
            { metadata: { name: "b" }, spec: over },
          ]
        : [],
    }),
  );
  open("/requests");
  await waitFor(() => expect(screen.getAllByText(/Approved/).length).toBe(2));
  expect(screen.queryByRole("button", { name: /^Use it now/ })).toBeNull();
});
