"""Security groups: one per network, opened for exactly what is wanted."""

from collections.abc import Iterable, Sequence
from typing import Any

from instances.clouds.base import CloudError, Group, Rule, Tags
from instances.clouds.ec2_api import Api
from instances.clouds.requests import as_list, as_tags
from instances.clouds.tags import is_ours


class Groups:
    """The part of EC2 that is about security groups."""

    region: str
    api: Api

    def ensure_group(
        self, name: str, *, network: str, rules: Sequence[Rule], tags: Tags, description: str
    ) -> str:
        row = self._group_row(name, network)
        if row is None:
            row = self._make_group(name, network, tags, description)
        if not is_ours(as_tags(row.get("Tags"))):
            raise CloudError(
                "aws_group_not_ours",
                f"The security group {name} in {network} was not made by this portal; "
                "rename it or choose another SECURITY_GROUP_NAME.",
            )
        self._reconcile(row, set(rules))
        return str(row["GroupId"])

    def groups(self) -> list[Group]:
        rows = self.api.pages("DescribeSecurityGroups", "SecurityGroups", Filters=[self.api.our_filter()])
        return [
            Group(
                row["GroupId"], row["GroupName"], row.get("VpcId", ""), as_tags(row.get("Tags")),
                frozenset(_rules_of(row)),
            )
            for row in rows
        ]  # fmt: skip

    def delete_group(self, id: str) -> None:
        if any(group.id == id for group in self.groups()):
            try:
                self.api.call("DeleteSecurityGroup", GroupId=id)
            except CloudError as error:
                if error.code != "aws_not_found":
                    raise

    def _group_row(self, name: str, network: str) -> dict[str, Any] | None:
        filters = [{"Name": "group-name", "Values": [name]}, {"Name": "vpc-id", "Values": [network]}]
        rows = self.api.pages("DescribeSecurityGroups", "SecurityGroups", Filters=filters)
        return rows[0] if rows else None

    def _make_group(self, name: str, network: str, tags: Tags, description: str) -> dict[str, Any]:
        specification = [{"ResourceType": "security-group", "Tags": as_list(tags)}]
        try:
            answer = self.api.call(
                "CreateSecurityGroup",
                GroupName=name, VpcId=network, Description=description, TagSpecifications=specification,
            )  # fmt: skip
        except CloudError as error:
            # Somebody made it since we looked: theirs is as good, if it is ours.
            row = self._group_row(name, network) if _is_duplicate(error) else None
            if row is None:
                raise
            return row
        return {"GroupId": answer["GroupId"], "Tags": as_list(tags), "IpPermissions": []}

    def _reconcile(self, row: dict[str, Any], wanted: set[Rule]) -> None:
        open_now = set(_rules_of(row))
        missing, stale = wanted - open_now, _stale_permissions(row, wanted)
        if missing:
            self._authorize(row["GroupId"], sorted(missing))
        if stale:
            try:
                self.api.call("RevokeSecurityGroupIngress", GroupId=row["GroupId"], IpPermissions=stale)
            except CloudError as error:
                # Somebody else closed it since we looked.
                if error.code != "aws_not_found":
                    raise

    def _authorize(self, group: str, rules: Sequence[Rule]) -> None:
        try:
            self.api.call(
                "AuthorizeSecurityGroupIngress",
                GroupId=group,
                IpPermissions=[_permission(rule) for rule in rules],
            )
        except CloudError as error:
            if not _is_duplicate(error):
                raise
            # AWS refuses the whole list for one rule that is there already.
            if len(rules) > 1:
                for rule in rules:
                    self._authorize(group, [rule])


def _is_duplicate(error: CloudError) -> bool:
    return "InvalidGroup.Duplicate" in error.detail or "InvalidPermission.Duplicate" in error.detail


def _permission(rule: Rule) -> dict[str, Any]:
    ends = {"FromPort": rule.port, "ToPort": rule.port, "IpProtocol": "tcp"}
    if ":" in rule.cidr:
        return {**ends, "Ipv6Ranges": [{"CidrIpv6": rule.cidr}]}
    return {**ends, "IpRanges": [{"CidrIp": rule.cidr}]}


def _rules_of(row: dict[str, Any]) -> Iterable[Rule]:
    for permission in row.get("IpPermissions", []):
        if permission.get("IpProtocol") == "tcp" and permission.get("FromPort") == permission.get("ToPort"):
            for cidr in _cidrs(permission):
                yield Rule(int(permission["FromPort"]), cidr)


def _cidrs(permission: dict[str, Any]) -> list[str]:
    return [item["CidrIp"] for item in permission.get("IpRanges", [])] + [
        item["CidrIpv6"] for item in permission.get("Ipv6Ranges", [])
    ]


def _stale_permissions(row: dict[str, Any], wanted: set[Rule]) -> list[dict[str, Any]]:
    """What is open and not wanted, in the words in which AWS takes it back."""
    stale: list[dict[str, Any]] = []
    for permission in row.get("IpPermissions", []):
        single = permission.get("IpProtocol") == "tcp" and permission.get("FromPort") == permission.get(
            "ToPort"
        )
        if single:
            unwanted = [
                cidr for cidr in _cidrs(permission) if Rule(permission["FromPort"], cidr) not in wanted
            ]
            stale += [_permission(Rule(permission["FromPort"], cidr)) for cidr in unwanted]
            others = {key: permission[key] for key in ("UserIdGroupPairs", "PrefixListIds")}
        else:
            others = dict(permission)
        others = {key: value for key, value in others.items() if value not in ([], None)}
        if single and not others:
            continue
        ends = {key: permission[key] for key in ("IpProtocol", "FromPort", "ToPort") if key in permission}
        stale.append({**ends, **others})
    return stale
