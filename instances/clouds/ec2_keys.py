"""Key pairs: brought by us, compared before they are trusted."""

from typing import Any

from instances.clouds.base import CloudError, KeyPair, Tags
from instances.clouds.ec2_api import Api
from instances.clouds.fingerprints import same_key
from instances.clouds.requests import as_list, as_tags
from instances.clouds.tags import is_ours


class KeyPairs:
    """The part of EC2 that is about key pairs."""

    region: str
    api: Api

    def key_pair(self, name: str) -> KeyPair | None:
        try:
            answer = self.api.call("DescribeKeyPairs", KeyNames=[name], IncludePublicKey=True)
        except CloudError as error:
            if error.code == "aws_key_pair_not_found":
                return None
            raise
        return _key_pair(answer["KeyPairs"][0]) if answer["KeyPairs"] else None

    def import_key(self, name: str, public_key: str, tags: Tags) -> None:
        found = self.key_pair(name)
        if found is None:
            found = self._import(name, public_key, tags)
        if found is not None and not same_key(found, public_key):
            raise CloudError(
                "aws_key_pair_mismatch",
                f"The key pair {name} in {self.region} has the fingerprint {found.fingerprint}, "
                "which is not that of the key the portal holds.",
            )

    def key_pairs(self) -> list[KeyPair]:
        answer = self.api.call("DescribeKeyPairs", Filters=[self.api.our_filter()], IncludePublicKey=True)
        return [_key_pair(row) for row in answer["KeyPairs"]]

    def delete_key_pair(self, name: str) -> None:
        found = self.key_pair(name)
        if found is not None and is_ours(found.tags):
            self.api.call("DeleteKeyPair", KeyName=name)

    def _import(self, name: str, public_key: str, tags: Tags) -> KeyPair | None:
        """Bring the key; return what somebody else brought under that name since we looked."""
        specification = [{"ResourceType": "key-pair", "Tags": as_list(tags)}]
        try:
            self.api.call(
                "ImportKeyPair",
                KeyName=name, PublicKeyMaterial=public_key.encode(), TagSpecifications=specification,
            )  # fmt: skip
        except CloudError as error:
            if "InvalidKeyPair.Duplicate" not in error.detail:
                raise
            return self.key_pair(name)
        return None


def _key_pair(row: dict[str, Any]) -> KeyPair:
    return KeyPair(
        name=row["KeyName"],
        fingerprint=row.get("KeyFingerprint", ""),
        public_key=row.get("PublicKey") or "",
        tags=as_tags(row.get("Tags")),
        made_at=row.get("CreateTime"),
    )
