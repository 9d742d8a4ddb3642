import { type ReactNode, useCallback, useEffect, useState } from "react";
import { Link, useParams } from "react-router";
import { call } from "../api/call";
import type { AccessList, ListReview, Member, Standing } from "../api/types";
import { Badge, Button, Label } from "../parts/controls";
import { PlusIcon } from "../parts/icons";
import { Page } from "../parts/Page";
import { Panel } from "../parts/Panel";
import { Note, Problem } from "../parts/Problem";
import { WaitingRows } from "../parts/Waiting";
import { useWords } from "../words";
import { AddMember } from "./AddMember";
import { dueOf, frequencyOf, givenBy, KIND_LIST, pathOf } from "./list";
import { RemoveMember } from "./RemoveMember";
import { ReviewList } from "./ReviewList";
import { DueMark, Standings } from "./Standings";

/** `titles` are of lists inside that the person may open. */
interface Opened {
  list: AccessList;
  standing: Standing;
  members: Member[];
  titles: Record<string, string>;
  reviews: ListReview[];
}

async function read(name: string): Promise<Opened> {
  const path = pathOf(name);
  const [shown, inside] = await Promise.all([
    call<{ access_list: AccessList; standing?: Standing }>("GET", path),
    call<{ members?: Member[]; titles?: Record<string, string> }>("GET", `${path}/members`),
  ]);
  const standing = shown.standing ?? {};
  const past = standing.runs ? await call<{ reviews?: ListReview[] }>("GET", `${path}/reviews`) : {};
  return {
    list: shown.access_list,
    standing,
    members: inside.members ?? [],
    titles: inside.titles ?? {},
    reviews: past.reviews ?? [],
  };
}

/** One list: what it gives, who is in it, and for those who run it the means to change and review that. */
export function OneAccessList() {
  const { name = "" } = useParams();
  return <Shown key={name} name={name} />;
}

type Doing = { kind: "add" } | { kind: "remove"; member: Member } | { kind: "review" };

function Shown({ name }: { name: string }) {
  const { t, language } = useWords();
  const [opened, setOpened] = useState<Opened | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [doing, setDoing] = useState<Doing | null>(null);
  const [done, setDone] = useState("");

  const load = useCallback(() => {
    read(name)
      .then((answer) => {
        setOpened(answer);
        setError(null);
      })
      .catch(setError);
  }, [name]);
  useEffect(load, [load]);

  const close = () => setDoing(null);
  function finish(text: string) {
    close();
    setDone(text);
    load();
  }

  const date = new Intl.DateTimeFormat(language, { dateStyle: "long" });
  const day = (moment: string) => date.format(new Date(moment));
  return (
    <Page
      title={opened?.list.spec.title ?? t("lists.one")}
      aside={
        <Link to="/lists" className="font-medium text-link text-sm underline underline-offset-4">
          {t("lists.all")}
        </Link>
      }
    >
      {done ? <Note kind="good">{done}</Note> : null}
      <Problem error={error} />
      {opened === null && !error ? <WaitingRows count={3} /> : null}
      {opened ? (
        <>
          <About opened={opened} day={day} />
          <Members opened={opened} day={day} act={setDoing} />
          {opened.standing.runs ? (
            <Reviews opened={opened} day={day} review={() => setDoing({ kind: "review" })} />
          ) : null}
        </>
      ) : null}
      {doing?.kind === "add" ? (
        <AddMember list={name} close={close} added={(member) => finish(t("lists.added", { member }))} />
      ) : null}
      {doing?.kind === "remove" ? (
        <RemoveMember
          list={name}
          member={doing.member}
          close={close}
          removed={() => finish(t("lists.removed", { member: doing.member.spec.name }))}
        />
      ) : null}
      {doing?.kind === "review" && opened ? (
        <ReviewList
          list={opened.list}
          members={opened.members}
          titles={opened.titles}
          close={close}
          reviewed={(next) => finish(t("lists.reviewed", { when: day(next) }))}
        />
      ) : null}
    </Page>
  );
}

type Day = (moment: string) => string;

function About({ opened, day }: { opened: Opened; day: Day }) {
  const { t } = useWords();
  const { list, standing, titles } = opened;
  const { spec } = list;
  const next = spec.audit?.next_audit_date;
  const facts: [string, string[]][] = [
    [t("lists.grants"), givenBy(spec.grants, t)],
    [t("lists.ownerGrants"), givenBy(spec.owner_grants, t)],
    [t("lists.requires"), givenBy(spec.membership_requires, t)],
    [t("lists.ownerRequires"), givenBy(spec.ownership_requires, t)],
  ];
  return (
    <Panel title={t("lists.about")} text={spec.description ?? ""}>
      <dl className="grid gap-x-6 gap-y-4 sm:grid-cols-2">
        <Fact name={t("lists.standing")}>
          <Standings standing={standing} />
          {!standing.is_owner && !standing.is_member ? <span>{t("lists.onlySeen")}</span> : null}
        </Fact>
        <Fact name={t("lists.next")}>
          <span>{next ? day(next) : t("lists.unplanned")}</span>
          <DueMark list={list} standing={standing} />
          <span className="text-soft">{t(`lists.every.${frequencyOf(list)}`)}</span>
        </Fact>
        <Fact name={t("lists.owners")}>
          {spec.owners.map((owner) => (
            <Somebody
              key={`${owner.membership_kind} ${owner.name}`}
              name={owner.name}
              isList={owner.membership_kind === KIND_LIST}
              titles={titles}
            />
          ))}
        </Fact>
        {facts
          .filter(([, values]) => values.length)
          .map(([name, values]) => (
            <Fact key={name} name={name}>
              {values.map((value) => (
                <Label key={value}>{value}</Label>
              ))}
            </Fact>
          ))}
      </dl>
    </Panel>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="min-w-0">
      <dt className="text-soft text-xs">{name}</dt>
      <dd className="mt-1 flex flex-wrap items-center gap-1.5 break-words text-sm">{children}</dd>
    </div>
  );
}

/** A person, or a list that stands for its members. */
function Somebody(props: { name: string; isList: boolean; titles: Record<string, string> }) {
  const { t } = useWords();
  const { name, titles } = props;
  if (!props.isList) return <span className="min-w-0 break-words font-medium">{name}</span>;
  return (
    <span className="flex min-w-0 flex-wrap items-center gap-1.5">
      {titles[name] === undefined ? (
        <span className="break-words font-medium">{name}</span>
      ) : (
        <Link
          to={`/lists/${encodeURIComponent(name)}`}
          className="break-words font-medium text-link underline underline-offset-4"
        >
          {titles[name]}
        </Link>
      )}
      <Badge>{t("lists.list")}</Badge>
    </span>
  );
}

function Members(props: { opened: Opened; day: Day; act: (doing: Doing) => void }) {
  const { t } = useWords();
  const { members, standing, titles } = props.opened;
  return (
    <Panel
      title={t("lists.members")}
      text={t("lists.count", { count: members.length })}
      aside={
        standing.runs ? (
          <Button look="plain" size="small" onClick={() => props.act({ kind: "add" })}>
            <PlusIcon className="size-4" />
            {t("lists.add")}
          </Button>
        ) : null
      }
    >
      {members.length ? (
        <ul className="divide-y divide-line rounded-lg border border-line">
          {members.map((member) => (
            <li key={member.metadata.name} className="flex flex-wrap items-start gap-3 px-4 py-3">
              <div className="flex min-w-0 flex-1 flex-col gap-0.5 text-sm">
                <Somebody
                  name={member.spec.name}
                  isList={member.spec.membership_kind === KIND_LIST}
                  titles={titles}
                />
                <Membership member={member} day={props.day} />
                {member.spec.reason ? <p className="break-words">{member.spec.reason}</p> : null}
              </div>
              {standing.runs ? (
                <Button
                  look="danger"
                  size="small"
                  aria-label={t("lists.removeNamed", { member: member.spec.name })}
                  onClick={() => props.act({ kind: "remove", member })}
                >
                  {t("account.remove")}
                </Button>
              ) : null}
            </li>
          ))}
        </ul>
      ) : null}
    </Panel>
  );
}

function Membership({ member, day }: { member: Member; day: Day }) {
  const { t } = useWords();
  const { expires, joined, added_by } = member.spec;
  const isOver = Boolean(expires) && Date.parse(expires ?? "") <= Date.now();
  const facts = [
    joined ? t("lists.since", { when: day(joined) }) : "",
    added_by ? t("lists.by", { who: added_by }) : "",
    expires && !isOver ? t("lists.until", { when: day(expires) }) : "",
  ];
  return (
    <p className="flex flex-wrap items-center gap-1.5 text-soft text-xs">
      <span className="break-words">{facts.filter(Boolean).join(" · ")}</span>
      {expires && isOver ? <Badge tone="care">{t("lists.over", { when: day(expires) })}</Badge> : null}
    </p>
  );
}

function Reviews(props: { opened: Opened; day: Day; review: () => void }) {
  const { t } = useWords();
  const { list, reviews, standing } = props.opened;
  const isDue = dueOf(list, standing) !== "later";
  return (
    <Panel
      title={t("lists.reviews")}
      text={t("lists.reviewsText")}
      aside={
        <Button look={isDue ? "primary" : "plain"} size="small" onClick={props.review}>
          {t("lists.review")}
        </Button>
      }
    >
      {reviews.length === 0 ? <p className="text-sm text-soft">{t("lists.noReviews")}</p> : null}
      {reviews.length ? (
        <ul className="divide-y divide-line rounded-lg border border-line">
          {reviews.map(({ metadata, spec }) => (
            <li key={metadata.name} className="flex flex-col gap-0.5 px-4 py-3">
              <p className="break-words font-medium text-sm">
                {[spec.review_date ? props.day(spec.review_date) : "", spec.reviewers.join(", ")]
                  .filter(Boolean)
                  .join(" · ")}
              </p>
              {spec.changes?.removed_members?.length ? (
                <p className="break-words text-soft text-xs">
                  {t("lists.removedThen", { members: spec.changes.removed_members.join(", ") })}
                </p>
              ) : null}
              {spec.notes ? <p className="break-words text-sm">{spec.notes}</p> : null}
            </li>
          ))}
        </ul>
      ) : null}
    </Panel>
  );
}
