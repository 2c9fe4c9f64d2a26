"""Failures as they were seen: what AWS, SSH, git, builders, engines and applications really print."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Failure:
    """A failure, the rule that must explain it, and words that must stand in its proof."""

    rule: int
    name: str
    code: str
    proof: str
    detail: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)
    log: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


DOCKER = {"runtime": "docker", "container_port": 8000, "memory_mb": 512}
START = "docker: Error response from daemon: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: "
PIP = """Step 2/2 : RUN pip install --no-cache-dir no-such-package==9.9
 ---> Running in 2bace3b8c6f3
\x1b[91mERROR: Could not find a version that satisfies the requirement no-such-package==9.9 (from versions: none)
ERROR: No matching distribution found for no-such-package==9.9
\x1b[0mThe command '/bin/sh -c pip install --no-cache-dir no-such-package==9.9' returned a non-zero code: 1
"""
KILLED = """Step 2/2 : RUN pip install torch
 ---> Running in f70f2a1dcfb7
\x1b[91mKilled
\x1b[0mThe command '/bin/sh -c pip install torch' returned a non-zero code: 137
"""
UNAUTHORIZED = (
    "An error occurred (UnauthorizedOperation) when calling the RunInstances operation: You are not authorized to perform "
    "this operation. User: arn:aws:iam::123456789012:user/portal is not authorized to perform: ec2:RunInstances on resource: "
    "arn:aws:ec2:eu-central-1:123456789012:instance/* because no identity-based policy allows the ec2:RunInstances action."
)
CAPACITY = (
    "An error occurred (InsufficientInstanceCapacity) when calling the RunInstances operation (reached max retries: 4): We "
    "currently do not have sufficient t3.micro capacity in the Availability Zone you requested (eu-central-1a)."
)
VCPU = (
    "An error occurred (VcpuLimitExceeded) when calling the RunInstances operation: You have requested more vCPU capacity "
    "than your current vCPU limit of 32 allows for the instance bucket that the specified instance type belongs to."
)
APT_LOCK = (
    "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 1463 (unattended-upgr)\n"
    "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?\n"
)
TRACEBACK = 'Traceback (most recent call last):\n  File "/app/app.py", line 3, in <module>\n'
NGINX = "2026/11/21 13:05:41 [error] 812#812: *14 {what}, client: 10.0.0.9, server: shop.example.com, request: \"POST / HTTP/1.1\", upstream: \"http://127.0.0.1:21000/\", host: \"shop.example.com\""  # fmt: skip

FAILURES = [
    Failure(1, "unknown key", "aws_credentials", "InvalidClientTokenId",
            "An error occurred (InvalidClientTokenId) when calling the GetCallerIdentity operation: The security token included in the request is invalid."),
    Failure(1, "wrong secret", "aws_credentials", "SignatureDoesNotMatch",
            "An error occurred (SignatureDoesNotMatch) when calling the GetCallerIdentity operation: The request signature we calculated does not match the signature you provided."),
    Failure(1, "EC2's words", "aws_credentials", "AuthFailure",
            "An error occurred (AuthFailure) when calling the DescribeInstances operation: AWS was not able to validate the provided access credentials"),
    Failure(1, "expired session", "aws_failed", "ExpiredToken",
            "An error occurred (ExpiredToken) when calling the RunInstances operation: The security token included in the request is expired"),
    Failure(2, "named action", "aws_unauthorized", "ec2:RunInstances", UNAUTHORIZED),
    Failure(2, "only the operation", "aws_unauthorized", "UnauthorizedOperation",
            "An error occurred (UnauthorizedOperation) when calling the CreateSecurityGroup operation: You are not authorized to perform this operation."),
    Failure(2, "another service", "aws_failed", "ssm:GetParameter",
            "An error occurred (AccessDeniedException) when calling the GetParameter operation: User: arn:aws:iam::1:user/p is not authorized to perform: ssm:GetParameter on resource: x"),
    Failure(3, "AMI", "aws_image_not_found", "ami-0abc1234def567890",
            "An error occurred (InvalidAMIID.NotFound) when calling the RunInstances operation: The image id '[ami-0abc1234def567890]' does not exist", facts={"region": "eu-west-1"}),
    Failure(4, "no key pair", "aws_key_pair_not_found", "key pair 'portal'",
            "An error occurred (InvalidKeyPair.NotFound) when calling the RunInstances operation: The key pair 'portal' does not exist"),
    Failure(4, "another key pair", "aws_key_pair_mismatch", "fingerprint", "The key pair portal in AWS has the fingerprint 1f:51, ours has 9a:02."),
    Failure(5, "paramiko", "ssh_auth_failed", "Authentication failed", "Authentication failed."),
    Failure(5, "OpenSSH", "ssh_auth_failed", "Permission denied", "ubuntu@10.0.0.7: Permission denied (publickey)."),
    Failure(6, "EC2, silent", "host_unreachable", "timed out", "Connecting to 3.120.4.5 port 22: timed out", facts={"instance_kind": "ec2"}),
    Failure(6, "server, no route", "host_unreachable", "No route to host", "[Errno 113] No route to host", facts={"instance_kind": "server"}),
    Failure(6, "sshd is not there", "host_unreachable", "Connection refused", "[Errno 111] Connection refused", facts={"instance_kind": "server"}),
    Failure(2, "our words", "aws_unauthorized", "ec2:RunInstances",
            "RunInstances in eu-central-1: UnauthorizedOperation: These credentials may not call ec2:RunInstances. You are not authorized to perform this operation."),
    Failure(3, "our words", "aws_image_not_found", "ami-0abc", "There is no image ami-0abc in eu-west-1."),
    Failure(5, "our words", "ssh_auth_failed", "does not let", "10.0.0.7 does not let ubuntu in with our key SHA256:abc. Put its public half into ~ubuntu/.ssh/authorized_keys there."),
    Failure(6, "silent for long", "host_unreachable", "firewall", "It has not answered for 10 minutes.",
            log="10.0.0.7 did not answer on port 22 within 10 seconds; a firewall may be closed. Trying again.", facts={"instance_kind": "ec2"}),
    Failure(6, "refused for long", "host_unreachable", "Nothing listens", "It has not answered for 10 minutes.",
            log="Nothing listens on port 22 of 10.0.0.7. Trying again.", facts={"instance_kind": "server"}),
    Failure(34, "full subnet", "aws_no_capacity", "InsufficientFreeAddresses",
            "RunInstances in eu-central-1: InsufficientFreeAddressesInSubnet: Insufficient free addresses in subnet."),
    Failure(34, "unverified", "aws_quota", "PendingVerification", "RunInstances in eu-central-1: PendingVerification: Your account is being verified."),
    Failure(7, "another host key", "ssh_host_key_changed", "host key", "10.0.0.7 shows another host key: SHA256:abc"),
    Failure(8, "apt", "packages_locked", "Could not get lock", "docker ended with exit code 100.", log=APT_LOCK.splitlines()[0]),
    Failure(8, "first start", "packages_failed", "dpkg frontend lock", "nginx ended with exit code 100.", log=APT_LOCK),
    Failure(8, "dnf", "packages_locked", "Waiting for process", "Waiting for process with pid 1187 to finish."),
    Failure(9, "hidden", "repository_not_found", "private", "It is not there, or it is private: add an access token or deploy key."),
    Failure(9, "GitHub over SSH", "git_failed", "Could not read", "fatal: Could not read from remote repository."),
    Failure(9, "404", "repository_not_found", "not found", "fatal: repository 'https://github.com/acme/nothing/' not found"),
    Failure(9, "token", "git_auth_failed", "Authentication failed", "fatal: Authentication failed for 'https://github.com/acme/app.git/'"),
    Failure(10, "renamed", "branch_not_found", "no master", "There is no master. The branches are dev, main and 4 more."),
    Failure(11, "elsewhere", "dockerfile_missing", "no Dockerfile", "There is no Dockerfile at 0a1b2c3. Found instead: docker/Dockerfile, api/Dockerfile."),
    Failure(11, "none", "dockerfile_missing", "no Dockerfile", "There is no Dockerfile at 0a1b2c3."),
    Failure(12, "classic builder", "build_command_failed", "Killed",
            "Line 2: RUN pip install torch\nIt was killed (exit code 137); usually there was too little memory.\nKilled", log=KILLED),
    Failure(12, "BuildKit", "build_failed", "exit code: 137",
            log='ERROR: failed to solve: process "/bin/sh -c pip install torch" did not complete successfully: exit code: 137'),
    Failure(13, "build", "disk_full", "No space left", "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"),
    Failure(13, "engine", "disk_full", "no space left", "docker: Error response from daemon: mkdir /var/lib/docker/x: no space left on device."),
    Failure(14, "pip", "build_command_failed", "No matching distribution", log=PIP),
    Failure(14, "other processor, start", "container_exited", "exec format error",
            "It ended with exit code 255.", {"exit_code": 255, "container_log": "exec /usr/local/bin/python: exec format error"}),
    Failure(14, "other processor, build", "build_command_failed", "exec format error", log="\x1b[91mexec /usr/bin/arm: exec format error\n\x1b[0mThe command '/usr/bin/arm' returned a non-zero code: 1"),
    Failure(14, "other processor, base", "base_image_missing", "no matching manifest",
            "no matching manifest for linux/amd64 in the manifest list entries"),
    Failure(15, "missing package", "container_exited", "fastapi", "It ended with exit code 1.",
            {"exit_code": 1, "container_log": f"{TRACEBACK}ModuleNotFoundError: No module named 'fastapi'"}),
    Failure(15, "no such command", "container_exited", "no-such-program", f'{START}exec: "no-such-program": executable file not found in $PATH: unknown'),
    Failure(15, "not executable", "container_exited", "permission denied", f'{START}exec: "/start.sh": permission denied: unknown'),
    Failure(15, "missing variable", "container_exited", "MODEL_PATH", "It ended with exit code 1.", {"exit_code": 1, "container_log": f"{TRACEBACK}KeyError: 'MODEL_PATH'"}),
    Failure(15, "variable not set", "container_exited", "MODEL_PATH", "It ended with exit code 3.",
            {"exit_code": 3, "container_log": "starting\nRuntimeError: MODEL_PATH is not set"}),
    Failure(15, "missing file", "container_exited", "/app/main.py", "It ended with exit code 2.",
            {"exit_code": 2, "container_log": "python: can't open file '/app/main.py': [Errno 2] No such file or directory"}),
    Failure(15, "ended well", "container_exited", "training done", "It ended with exit code 0.", {"exit_code": 0, "container_log": "training done"}),
    Failure(15, "crash", "container_exited", "RuntimeError", "It ended with exit code 3.",
            {"exit_code": 3, "container_log": "starting\nRuntimeError: no weights"}),
    Failure(16, "flag", "out_of_memory", "OOMKilled", "Its limit is 512 MB.", {"out_of_memory": True, "exit_code": 137}, facts=DOCKER),
    Failure(16, "kernel", "container_exited", "Out of memory", "It ended with exit code 137.",
            {"exit_code": 137, "kernel": "[ 1528.33] Out of memory: Killed process 4242 (python) total-vm:5124kB"}, facts=DOCKER),
    Failure(16, "silent kill", "container_exited", "137", "It ended with exit code 137.", {"exit_code": 137}, facts=DOCKER),
    Failure(17, "loopback", "loopback_only", "127.0.0.1:8000", "It listens on 127.0.0.1:8000; it must listen on 0.0.0.0:8000.",
            {"listening": ["127.0.0.1:8000"], "container_log": "INFO: Uvicorn running on http://127.0.0.1:8000"}, facts=DOCKER),
    Failure(17, "loopback, version 6", "unhealthy", "::1:8000", "No answer", {"listening": ["[::1]:8000"]}, facts=DOCKER),
    Failure(18, "other port", "wrong_port", "5000", "It listens on 0.0.0.0:5000, and is asked on port 8000.", {"listening": ["0.0.0.0:5000"]}, facts=DOCKER),
    Failure(19, "engine", "private_port_taken", "already allocated",
            "docker: Error response from daemon: driver failed programming external connectivity on endpoint x (44e4): Bind for 127.0.0.1:29871 failed: port is already allocated"),
    Failure(19, "proxy", "port_taken", "20001", "Port 20001 is in use by another program."),
    Failure(20, "path", "health_error", "/healthz → 404", "GET /healthz answered HTTP 404 for 60 s.",
            {"paths": {"/healthz": 404, "/": 404, "/docs": 200}, "health_path": "/healthz"}, facts=DOCKER),
    Failure(21, "Django", "health_error", "HTTP_HOST", "GET /health answered HTTP 400 for 60 s.",
            {"container_log": "Invalid HTTP_HOST header: '127.0.0.1:21000'. You may need to add '127.0.0.1' to ALLOWED_HOSTS."}),
    Failure(21, "Starlette", "health_error", "Invalid host header", "GET /health answered HTTP 400 for 60 s.", {"health_answer": "Invalid host header"}),
    Failure(22, "502", "proxy_failed", "Connection refused", evidence={"nginx_errors": NGINX.format(what="connect() failed (111: Connection refused) while connecting to upstream")}),
    Failure(22, "504", "proxy_failed", "upstream timed out",
            evidence={"nginx_errors": NGINX.format(what="upstream timed out (110: Connection timed out) while reading response header from upstream")}),
    Failure(22, "413", "proxy_failed", "too large body", evidence={"nginx_errors": NGINX.format(what="client intended to send too large body: 62914560 bytes")}),
    Failure(23, "health check", "unhealthy", "curl: not found", "No answer", {"container_log": "/bin/sh: 1: curl: not found", "listening": ["0.0.0.0:8000"]}, facts=DOCKER),
    Failure(33, "new address", "host_unreachable", "3.3.3.3", "Connecting to 18.1.2.3 port 22: timed out",
            facts={"address_before": "18.1.2.3", "address": "3.3.3.3", "instance_kind": "ec2"}),
    Failure(34, "capacity", "aws_no_capacity", "InsufficientInstanceCapacity", CAPACITY),
    Failure(34, "quota", "aws_quota", "vCPU limit", VCPU),
    Failure(34, "addresses", "aws_quota", "AddressLimitExceeded",
            "An error occurred (AddressLimitExceeded) when calling the AllocateAddress operation: The maximum number of addresses has been reached."),
]  # fmt: skip

SUCCESS_LOG = """Cloning into 'checkout'...
Step 1/5 : FROM python:3.11-slim
Step 3/5 : RUN pip install --no-cache-dir -r requirements.txt
Successfully installed Flask-3.0.3 scikit-learn-1.5.0
Successfully tagged portal/hello:0a1b2c3
Started portal-hello-dev-0a1b2c3d from portal/hello:0a1b2c3 on 127.0.0.1:21000; container port 8000.
INFO:     Uvicorn running on http://0.0.0.0:8000 (Press CTRL+C to quit)
It answers /health on port 21000 with HTTP 200.
nginx: configuration file /etc/nginx/nginx.conf test is successful
The portal's own proxy sends http://127.0.0.1:20001/ to 127.0.0.1:21000.
"""
