"""What somebody might write into each field to run a command on a machine, and what must arrive as it is."""

from typing import Any

MARKER = "/tmp/pwned"
# Each would leave a file behind if any shell, any option parser or any path were to take it at its word.
SHELL = [
    f"x;$(touch {MARKER}-1)",
    f"`touch {MARKER}-2`",
    f"x' ; touch {MARKER}-3 ; '",
    f'x" ; touch {MARKER}-4 ; "',
    f"x\ntouch {MARKER}-5",
    f"x && touch {MARKER}-6 #",
    f"x | touch {MARKER}-7",
    f"${{IFS}}touch${{IFS}}{MARKER}-8",
    "-v /:/host --privileged",
    "--privileged",
    "../../../etc/cron.d/x",
    "x\0y",
    "\u0430dmin",  # a Cyrillic letter
    "x\u202ey",  # turns the direction of what follows
    "x\u00a0y",
    "A" * 5000,
]
PORTS = [
    "22; touch /tmp/pwned-20",
    "8000:22",
    "-1",
    "0",
    "65536",
    "8e3",
    "\u0668\u0660\u0660\u0660",
    "80 80",
    "0x50",
]


# Noun and field → values that every surface must refuse with the same words.
REFUSED: dict[tuple[str, str], list[Any]] = {
    ("application", "git_url"): [
        *SHELL, "ext::sh -c touch% /tmp/pwned-30", "file:///etc/passwd", "--upload-pack=touch /tmp/pwned-31",
        "https://github.com/a/b;touch", "https://user:secret@github.com/a/b", "https://127.0.0.1/a/b",
        "https://g\u0456thub.com/a/b", "http://169.254.169.254/latest/meta-data",
    ],
    ("application", "default_branch"): [*SHELL, "--upload-pack=x", "a..b", "refs/heads/x", "a@{1}", "a:b", "HEAD"],
    ("application", "dockerfile"): [*SHELL, "/etc/passwd", "-f/etc/passwd", ".git/config", "a/../b", "https://x/y"],
    ("application", "context"): [*SHELL, "/", "..", "-x", ".git/hooks"],
    ("application", "container_port"): PORTS,
    ("application", "health_path"): [
        *SHELL, "/x\r\nHost: y", "/x;}", "//evil.example", "/../x", "/x{y}", "/$host",
    ],
    ("application", "test_command"): [f"x\ntouch {MARKER}-40", "x\0y", "x\u202ey", "A" * 501],
    ("application", "hooks"): [f"x\ntouch {MARKER}-41", "x\0y", "x\u2028y", "A" * 501],
    ("application", "build_args"): [
        {"A;touch": "x"}, {"--privileged": "x"}, {"$(touch /tmp/pwned-42)": "x"}, {"1A": "x"}, {"\u0410": "x"},
        {"A": "x\0y"}, {"A": "x" * 4097},
    ],
    ("environment", "branch"): [*SHELL, "--upload-pack=x", "a..b"],
    ("environment", "public_port"): PORTS,
    ("environment", "hostnames"): [
        [f"x;touch {MARKER}-50"], ["$host"], ["x;}"], ["*.example.org"], ["10.0.0.1"], ["a.example.org/x"],
        ["-x.example.org"], ["x\0y.org"], ["a" * 64 + ".org"], ["{x}.org"],
    ],
    ("environment", "path_prefix"): [*SHELL, "/x;", "/x {", "/../x", "/.well-known/x", "/x\r\ny", "/$uri", "~ /x"],
    ("environment", "headers"): [
        {"X-A;": "x"}, {"X A": "x"}, {"Set-Cookie": "x"}, {"Content-Length": "0"},
        {"X-A": "x$request_uri"}, {"X-A": "\u0430"}, {"X-A": "x\0y"}, {"X-A": "A" * 1001},
    ],
    ("environment", "allow"): [["10.0.0.0/8; deny all"], ["all"], ["$remote_addr"], ["10.0.0.1/8"], ["::1\0"]],
    ("environment", "basic_auth"): [
        "nobody", f"a;touch {MARKER}-60:password", "a:b", "a\nb:password", "a:pass\nword", "a:passw\u00f6rd",
        "a:pass\0word", "a:" + "x" * 201,
    ],
    ("variable", "key"): [*SHELL, "PATH", "LD_PRELOAD", "BASH_ENV", "DOCKER_HOST", "A=B", "1A", "A-B"],
    ("variable", "value"): ["x\0y", "A" * 32769],
    ("deploy", "name"): [*SHELL, "a--b", "-x", "admin", "x.y", "${jndi:x}"],
    ("deploy", "git_url"): [*SHELL, "ext::sh -c x", "--upload-pack=x"],
    ("deploy", "image"): [*SHELL, "--entrypoint=sh x", "-v/:/host", "x:tag;touch", "X/Y", "a@sha256:zz", "http://a/b"],
    ("deploy", "branch"): [*SHELL, "--upload-pack=x"],
    ("deploy", "instance_name"): [*SHELL[:-1], "a--b", "local"],
    ("deploy", "variable_key"): [*SHELL, "LD_PRELOAD", "A=B"],
    ("deploy", "environment"): [*SHELL, "a--b", "-x"],
    ("deploy", "context"): [*SHELL, "/", ".."],
    ("deploy", "container_port"): PORTS,
    ("deploy", "host_port"): PORTS,
    ("place", "name"): [*SHELL, "a--b", "-x"],
    ("place", "branch"): [*SHELL],
    ("server", "name"): [*SHELL, "a--b", "-x", "local", "ec2"],
    ("server", "ssh_host"): [
        *SHELL, "-oProxyCommand=touch", "127.0.0.1", "localhost", "169.254.169.254", "0x7f000001", "2130706433",
        "a@b", "[::1]", "::ffff:127.0.0.1",
    ],
    ("server", "ssh_user"): [*SHELL, "-oProxyCommand=x", "a@b", "Root", "a b"],
    ("server", "ssh_port"): PORTS,
    ("server", "private_key"): ["x", f"-----BEGIN OPENSSH PRIVATE KEY-----\n$(touch {MARKER}-70)\n", "A" * 20001],
    ("ec2", "name"): [*SHELL, "a--b"],
    ("ec2", "region"): [*SHELL, "evil.example/us-east-1", "us-east-1.evil.example"],
    ("ec2", "image_id"): SHELL,
    ("ec2", "subnet"): SHELL,
    ("ec2", "zone"): [*SHELL, "eu-west-1a"],
}  # fmt: skip

# Values of variables that must reach the application byte for byte.
VALUES: dict[str, str] = {
    "APP_QUOTES": "a'b\"c`d`e\\f",
    "APP_DOLLAR": f"$(touch {MARKER}-80) ${{HOME}} $HOME $$ %s %(x)s {{{{x}}}} {{% x %}}",
    "APP_LINES": f"one\ntwo\r\n\n; touch {MARKER}-81\n  four \t\n",
    "APP_UNICODE": "ünï 漢字 \U0001f600 \u202e\u2028 \u0000".replace("\u0000", ""),
    "APP_OPTIONS": "-v /:/host --privileged --env X=Y",
    "APP_SPACES": "  both ends  ",
    "APP_EMPTY": "",
    "APP_EQUALS": "A=B=C#no comment",
    "APP_LONG": "0123456789abcdef" * 2047,
    "APP_BACKSLASH": "\\n \\0 \\x41 \\",
}
# Commands are people's own shell, but that of a container; the files that they make stay in it.
COMMAND = f'touch {MARKER}-90; touch {MARKER}-91-$(id -u) && echo "it\'s `hostname`" > {MARKER}-92'
