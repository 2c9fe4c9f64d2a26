"""Tokens are shown once, kept as keyed digests, and refused alike whatever is wrong with them."""

from datetime import timedelta

import pytest
import time_machine
from django.test import override_settings
from django.utils import timezone

from portal.core import tokens
from portal.core.errors import ActionDenied, Invalid, NotFound
from portal.core.models import AuditEvent, Membership, Role, Team, Token, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", password="a long enough word")


def make(user: User, **wishes: object) -> tuple[Token, str]:
    token, secret = tokens.create(**{"user": user, "name": "CI", "scopes": ["read"], "by": user, **wishes})  # type: ignore[arg-type]
    return token, secret.reveal()


def test_a_new_token_is_verified_by_its_text(ada: User) -> None:
    token, text = make(ada)
    assert tokens.FORMAT.fullmatch(text)
    assert tokens.verify(text) == token


def test_the_text_is_kept_nowhere(ada: User) -> None:
    token, text = make(ada)
    random_part = text.split("_", 2)[2]
    kept = (
        str(Token.objects.values().get()) + str(list(AuditEvent.objects.values())) + repr(token) + str(token)
    )
    assert random_part not in kept


def test_the_secret_does_not_print_itself(ada: User) -> None:
    _, secret = tokens.create(user=ada, name="CI", scopes=["read"], by=ada)
    assert secret.reveal() not in f"{secret} {secret!r}"


def test_making_one_is_on_record_with_its_scopes(ada: User) -> None:
    make(ada, scopes=["deploy", "read"])
    event = AuditEvent.objects.get(action="token.created")
    assert event.actor == ada
    assert event.details == {"owner": "ada", "scopes": ["read", "deploy"], "days": 90}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text[:-1],
        lambda text: text + "x",
        lambda text: text.upper(),
        lambda text: " " + text,
        lambda text: text + "\n",
        lambda text: text.replace("portal_", "mlp_"),
        lambda text: text[:7] + "A" * 12 + text[19:],
        lambda text: text[:-1] + ("A" if text[-1] != "A" else "B"),
        lambda text: text + "x" * 200,
        lambda text: "portal_" + "é" * 12 + text[19:],
    ],
)
def test_anything_near_the_text_is_refused(ada: User, spoil) -> None:  # type: ignore[no-untyped-def]
    _, text = make(ada)
    with pytest.raises(tokens.Refused):
        tokens.verify(spoil(text))


def test_the_stored_digest_is_not_a_token(ada: User) -> None:
    token, text = make(ada)
    with pytest.raises(tokens.Refused):
        tokens.verify(f"portal_{token.identifier}_{token.digest}")


def test_a_revoked_token_is_refused_and_revoking_twice_is_one_event(ada: User) -> None:
    token, text = make(ada)
    tokens.revoke(token=token, by=ada)
    tokens.revoke(token=token, by=ada)
    with pytest.raises(tokens.Refused):
        tokens.verify(text)
    assert AuditEvent.objects.filter(action="token.revoked").count() == 1


def test_an_expired_token_is_refused(ada: User) -> None:
    with time_machine.travel(timezone.now() - timedelta(days=2)):
        _, text = make(ada, days=1)
    with pytest.raises(tokens.Refused):
        tokens.verify(text)


def test_the_token_of_a_disabled_person_is_refused(ada: User) -> None:
    _, text = make(ada)
    User.objects.update(is_active=False)
    with pytest.raises(tokens.Refused):
        tokens.verify(text)


def test_a_token_outlives_a_new_key_and_moves_to_it(ada: User, settings) -> None:  # type: ignore[no-untyped-def]
    with override_settings(FIELD_KEYS=["1:old"]):
        token, text = make(ada)
    with override_settings(FIELD_KEYS=["2:new", "1:old"]):
        assert tokens.verify(text) == token
    with override_settings(FIELD_KEYS=["2:new"]):
        assert tokens.verify(text) == token


def test_a_token_ends_with_the_key_that_made_it(ada: User) -> None:
    with override_settings(FIELD_KEYS=["1:old"]):
        _, text = make(ada)
    with override_settings(FIELD_KEYS=["2:new"]), pytest.raises(tokens.Refused):
        tokens.verify(text)


def test_its_use_is_noted_once_a_minute(ada: User, django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    token, text = make(ada)
    with time_machine.travel(0, tick=False) as clock:
        clock.move_to(timezone.now() + timedelta(days=1))
        tokens.note_use(tokens.verify(text), address="192.0.2.1")
        again = tokens.verify(text)
        with django_assert_num_queries(0):
            tokens.note_use(again, address="192.0.2.2")
        token.refresh_from_db()
        assert token.last_used_from == "192.0.2.1"
        clock.shift(61)
        tokens.note_use(tokens.verify(text), address="192.0.2.2")
    token.refresh_from_db()
    assert token.last_used_from == "192.0.2.2"


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"days": 0}, "days"),
        ({"days": 366}, "days"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["read", "root"]}, "scopes"),
        ({"name": "  "}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": "two\nlines"}, "name"),
    ],
)
def test_impossible_wishes_are_refused_by_field(ada: User, wish: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        make(ada, **wish)
    assert set(refusal.value.message_dict) == {field}
    assert not Token.objects.exists()


@pytest.mark.parametrize(
    ("held", "needed", "fits"),
    [
        ("read", "read", True),
        ("read", "deploy", False),
        ("deploy", "read", True),
        ("deploy", "approve", False),
        ("predict", "read", False),
        ("registry", "deploy", False),
        ("admin", "deploy", True),
        ("gone", "read", False),
    ],
)
def test_what_a_scope_allows(ada: User, held: str, needed: str, fits: bool) -> None:
    assert tokens.has_scope(Token(user=ada, scopes=[held]), needed) is fits


def test_every_scope_is_described() -> None:
    assert set(tokens.ALLOWS) == set(tokens.SCOPES)


def test_only_a_portal_admin_makes_tokens_for_others(ada: User) -> None:
    eve = User.objects.create_user("eve")
    with pytest.raises(ActionDenied):
        make(ada, by=eve)
    root = User.objects.create_superuser("root")
    token, _ = make(ada, by=root)
    assert token.user == ada


def test_a_team_admin_sees_and_revokes_the_tokens_of_the_team(ada: User) -> None:
    lead, eve = User.objects.create_user("lead"), User.objects.create_user("eve")
    team = Team.objects.create(name="Churn", slug="churn")
    Membership.objects.create(user=lead, team=team, role=Role.ADMIN)
    Membership.objects.create(user=ada, team=team, role=Role.DEPLOYER)
    token, text = make(ada)
    with pytest.raises(NotFound):
        tokens.revoke(token=token, by=eve)
    tokens.revoke(token=token, by=lead)
    with pytest.raises(tokens.Refused):
        tokens.verify(text)
