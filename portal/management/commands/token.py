"""`manage.py token`: make, list and revoke tokens for the API."""

from typing import Any

from django.core.management.base import CommandParser

from portal.core import tokens
from portal.core.errors import NotFound
from portal.management.terminal import TerminalCommand, acting_user, add_user_option


class Command(TerminalCommand):
    help = "Make a token for the API (printed once, on stdout), list tokens, or revoke one."
    next_command = "manage.py token --help"

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        create = verbs.add_parser("create", help="Make a token and print it.")
        create.add_argument("--name", default="command line", help="What will use it.")
        create.add_argument(
            "--scopes", default="read", help=f"Separated by commas: {', '.join(tokens.SCOPES)}."
        )
        create.add_argument("--days", type=int, default=tokens.DEFAULT_DAYS, help="How long it lives.")
        listing = verbs.add_parser("list", help="List the tokens one may see.")
        revoke = verbs.add_parser("revoke", help="End a token.")
        revoke.add_argument("identifier", help="The twelve characters after `portal_`.")
        for verb in (create, listing, revoke):
            add_user_option(verb)

    def work(self, **options: Any) -> int:
        verb = {"create": self._create, "list": self._list, "revoke": self._revoke}[options["verb"]]
        verb(options)
        return 0

    def _create(self, options: dict[str, Any]) -> None:
        user = acting_user(options["user"])
        scopes = [word.strip() for word in options["scopes"].split(",") if word.strip()]
        token, secret = tokens.create(
            user=user, name=options["name"], scopes=scopes, days=options["days"], by=user
        )
        self.note(
            f"For {user}, with {', '.join(token.scopes)}, until {token.expires_at:%Y-%m-%d}. "
            "It is shown this once."
        )
        self.stdout.write(secret.reveal())

    def _list(self, options: dict[str, Any]) -> None:
        for token in tokens.visible_tokens(acting_user(options["user"])):
            state = "usable" if tokens.is_usable(token) else "ended"
            scopes = ",".join(token.scopes)
            self.stdout.write(
                f"{token.identifier}\t{state}\t{token.expires_at:%Y-%m-%d}\t{token.user}\t{scopes}\t{token.name}"
            )

    def _revoke(self, options: dict[str, Any]) -> None:
        user = acting_user(options["user"])
        identifier = options["identifier"].removeprefix("portal_").partition("_")[0]
        token = tokens.visible_tokens(user).filter(identifier=identifier).first()
        if token is None:
            raise NotFound(f"There is no token {identifier}.")
        tokens.revoke(token=token, by=user)
        self.note(f"{token.name} no longer works.")
