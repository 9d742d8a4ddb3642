"""What works with access lists, put together."""

from __future__ import annotations

from dataclasses import dataclass

from teleport.auth.access_lists.members import ListMembers
from teleport.auth.access_lists.reviewing import ListReviews
from teleport.auth.cluster import Cluster
from teleport.auth.guard import Guard


@dataclass(frozen=True)
class ListParts:
    members: ListMembers
    reviews: ListReviews

    @classmethod
    def of(cls, cluster: Cluster, guard: Guard) -> ListParts:
        members = ListMembers(cluster, guard)
        return cls(members=members, reviews=ListReviews(cluster, members))
