"""The files under docker/: settings that exist, Compose by its schema, manifests that fit, nothing wide open."""

import os
import re
import subprocess
import sysconfig
import tomllib
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from flows.settings import CONFIG_VARIABLE, PREFIX, Settings, load_settings

REPOSITORY = Path(__file__).parents[3]
DOCKER = REPOSITORY / "docker"
KUBERNETES = DOCKER / "kubernetes"
STATE = "/var/lib/replaylake"


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


COMPOSE: dict[str, Any] = _yaml(DOCKER / "compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
STATEFUL_SET: dict[str, Any] = _yaml(KUBERNETES / "statefulset.yaml")
POD: dict[str, Any] = STATEFUL_SET["spec"]["template"]["spec"]
[CONTAINER] = POD["containers"]
VIEWER: dict[str, Any] = _yaml(KUBERNETES / "serve-deployment.yaml")
KUSTOMIZATION: dict[str, Any] = _yaml(KUBERNETES / "kustomization.yaml")


def _variables(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        variable = prefix + name.upper()
        yield variable
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _variables(field.annotation, variable + "__")


def _image_environment() -> dict[str, str]:
    """What the image sets for the job, out of the last ENV of the Dockerfile."""
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    last = re.findall(r"^ENV (.+)$", text, flags=re.MULTILINE)[-1]
    return {name: value for name, _, value in (word.partition("=") for word in last.split()) if name != "PATH"}


def _interpolated(value: str) -> str:
    """As Compose does without any variable set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """As in a container of the image: its variables and no others, no file in the working directory."""
    monkeypatch.chdir(tmp_path)
    for variable in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(variable)
    _set(monkeypatch, _image_environment())
    return monkeypatch


def _set(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, _interpolated(value))


def test_docker_is_no_python_package() -> None:
    assert [*DOCKER.rglob("*.py")] == [], "it would hide a library of that name"


def test_every_variable_that_the_files_name_is_a_setting() -> None:
    known = {*_variables(Settings, PREFIX), CONFIG_VARIABLE}
    files = [path for path in [*DOCKER.rglob("*"), REPOSITORY / "docs" / "deploy.md"] if path.is_file()]
    named = {name for path in files for name in re.findall(rf"{PREFIX}\w+", path.read_text(encoding="utf-8"))}
    assert named - known == set()
    assert {"REPLAYLAKE_HTTP__ADDRESS", "REPLAYLAKE_S3__SECRET"} <= named


def test_the_image_keeps_its_state_in_the_volume_and_answers_from_outside(environment: pytest.MonkeyPatch) -> None:
    del environment
    settings = load_settings()
    assert str(settings.run.recovery_dir) == STATE
    assert settings.http.place() == ("0.0.0.0", 9464)


def test_the_composition_gives_the_job_a_configuration_that_it_takes(environment: pytest.MonkeyPatch) -> None:
    _set(environment, SERVICES["replaylake"]["environment"])
    settings = load_settings()
    store = SERVICES["s3"]["environment"]
    assert settings.kafka.bootstrap in SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert f"--topic={settings.kafka.topics[0]}" in _topic_flags()
    assert settings.s3.storage_options() == {
        "endpoint_url": "http://s3:8333",
        "key": _interpolated(store["AWS_ACCESS_KEY_ID"]),
        "secret": _interpolated(store["AWS_SECRET_ACCESS_KEY"]),
    }
    assert f"-bucket={settings.lake.removeprefix('s3://').split('/')[0]}" in SERVICES["s3"]["command"].split()


def _topic_flags() -> list[str]:
    command = SERVICES["topic"]["command"]
    return [flag for flag in command if isinstance(flag, str)]


def test_the_broker_takes_every_message_that_the_job_takes() -> None:
    broker = SERVICES["kafka"]["environment"]
    assert int(broker["KAFKA_MESSAGE_MAX_BYTES"]) >= Settings().limits.message_bytes
    assert int(broker["KAFKA_REPLICA_FETCH_MAX_BYTES"]) >= int(broker["KAFKA_MESSAGE_MAX_BYTES"])


def test_the_config_map_and_the_secret_are_a_configuration_that_the_job_takes(environment: pytest.MonkeyPatch) -> None:
    file = KUBERNETES / "replaylake.toml"
    secret = _yaml(KUBERNETES / "secret.example.yaml")["stringData"]
    _set(environment, {CONFIG_VARIABLE: str(file), **secret})
    settings = load_settings()
    assert settings.lake == tomllib.loads(file.read_text(encoding="utf-8"))["lake"]
    assert settings.kafka.client["sasl.password"] == "change-me"
    assert settings.s3.secret is not None


def test_no_setting_of_the_config_map_is_overruled_by_the_image_or_the_secret() -> None:
    overruling = {*_image_environment(), *_yaml(KUBERNETES / "secret.example.yaml")["stringData"]}
    content = tomllib.loads((KUBERNETES / "replaylake.toml").read_text(encoding="utf-8"))
    named = {f"{PREFIX}{section}__{name}".upper() for section in content for name in _keys(content[section])}
    assert named & overruling == set()


def _keys(section: object) -> list[str]:
    return [*section] if isinstance(section, dict) else []


def test_the_composition_is_valid_by_the_schema_of_compose() -> None:
    checker = Path(sysconfig.get_path("scripts")) / "check-jsonschema"
    command: list[str | Path] = [checker, "--builtin-schema", "vendor.compose-spec", DOCKER / "compose.yaml"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_listens_on_this_machine_only_and_is_pinned(name: str) -> None:
    service = SERVICES[name]
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in service.get("ports", []))
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+(\.\d+)?", service["image"])
    assert not service.get("privileged", False)


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_mounts_is_there(name: str) -> None:
    for mount in SERVICES[name].get("volumes", []):
        source = mount.split(":")[0]
        assert (DOCKER / source).is_dir() if source.startswith(".") else source in COMPOSE["volumes"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_waits_for_what_can_come_true(name: str) -> None:
    awaited = SERVICES[name].get("depends_on", {})
    for other in awaited:
        condition = awaited[other]["condition"] if isinstance(awaited, dict) else "service_started"
        if condition == "service_healthy":
            assert "healthcheck" in SERVICES[other]
        if condition == "service_completed_successfully":
            assert SERVICES[other]["restart"] == "no"


def test_every_volume_is_used() -> None:
    used = {mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])}
    assert set(COMPOSE["volumes"]) <= used


def test_the_composed_job_may_do_nothing_that_it_need_not() -> None:
    job = SERVICES["replaylake"]
    assert job["read_only"] is True
    assert job["cap_drop"] == ["ALL"]
    assert job["security_opt"] == ["no-new-privileges:true"]
    assert job["tmpfs"] == ["/tmp"]
    assert job["volumes"] == [f"recovery:{STATE}"]
    assert job["stop_grace_period"] == "60s"


def test_every_manifest_is_listed_but_the_example() -> None:
    files = {path.name for path in KUBERNETES.iterdir()} - {"kustomization.yaml"}
    generated = {name for generator in KUSTOMIZATION["configMapGenerator"] for name in generator["files"]}
    assert {*KUSTOMIZATION["resources"], *generated, "secret.example.yaml", "secret-serve.example.yaml"} == files


def test_no_manifest_names_a_namespace() -> None:
    for path in KUBERNETES.glob("*.yaml"):
        assert "namespace" not in _yaml(path).get("metadata", {}), path.name
    assert "namespace" not in KUSTOMIZATION


def test_selectors_find_the_pod() -> None:
    labels = STATEFUL_SET["spec"]["template"]["metadata"]["labels"].items()
    service = _yaml(KUBERNETES / "service.yaml")
    budget = _yaml(KUBERNETES / "poddisruptionbudget.yaml")
    for selector in (
        service["spec"]["selector"],
        budget["spec"]["selector"]["matchLabels"],
        STATEFUL_SET["spec"]["selector"]["matchLabels"],
    ):
        assert selector
        assert selector.items() <= labels
    assert STATEFUL_SET["spec"]["serviceName"] == service["metadata"]["name"]


def test_a_pod_may_be_moved_from_its_node() -> None:
    assert _yaml(KUBERNETES / "poddisruptionbudget.yaml")["spec"]["maxUnavailable"] == 1


def test_there_is_one_pod_for_one_recovery_folder() -> None:
    assert STATEFUL_SET["spec"]["replicas"] == 1
    [claim] = STATEFUL_SET["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]


def test_service_links_cannot_be_taken_for_settings() -> None:
    assert POD["enableServiceLinks"] is False, "a Service named replaylake would set REPLAYLAKE_SERVICE_HOST"


def test_probes_ask_the_address_that_the_image_serves() -> None:
    [port] = CONTAINER["ports"]
    assert _image_environment()["REPLAYLAKE_HTTP__ADDRESS"].endswith(f":{port['containerPort']}")
    probes = {kind: CONTAINER[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert {probe["port"] for probe in probes.values()} == {port["name"]}
    assert {kind: probe["path"] for kind, probe in probes.items()} == {
        "startup": "/health/live",
        "liveness": "/health/live",
        "readiness": "/health/ready",
    }
    [served] = _yaml(KUBERNETES / "service.yaml")["spec"]["ports"]
    assert (served["port"], served["targetPort"]) == (port["containerPort"], port["name"])


def test_a_pod_is_not_killed_at_its_start_while_it_waits_for_the_store() -> None:
    probe = CONTAINER["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] > Settings().run.store_patience_seconds


def test_the_pod_may_do_nothing_that_it_need_not() -> None:
    assert POD["automountServiceAccountToken"] is False
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert CONTAINER["resources"]["limits"]["memory"]
    assert CONTAINER["resources"]["requests"]


def test_the_pod_runs_as_the_user_of_the_image() -> None:
    user = f"{POD['securityContext']['runAsUser']}:{POD['securityContext']['runAsGroup']}"
    assert f"\nUSER {user}\n" in (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    assert POD["securityContext"]["fsGroup"] == POD["securityContext"]["runAsGroup"]


def test_the_pod_mounts_what_the_job_writes_and_reads() -> None:
    claims = {claim["metadata"]["name"] for claim in STATEFUL_SET["spec"]["volumeClaimTemplates"]}
    volumes = {volume["name"] for volume in POD["volumes"]}
    mounts = {mount["mountPath"]: mount["name"] for mount in CONTAINER["volumeMounts"]}
    assert mounts[STATE] in claims
    assert mounts["/tmp"] in volumes
    [config] = [variable["value"] for variable in CONTAINER["env"] if variable["name"] == CONFIG_VARIABLE]
    assert Path(config).name in KUSTOMIZATION["configMapGenerator"][0]["files"]
    assert mounts[str(Path(config).parent)] in volumes


def test_the_pod_reads_the_secret_that_the_example_makes() -> None:
    secret = _yaml(KUBERNETES / "secret.example.yaml")
    assert CONTAINER["envFrom"] == [{"secretRef": {"name": secret["metadata"]["name"]}}]


def test_the_pod_has_time_to_commit_at_a_stop() -> None:
    assert POD["terminationGracePeriodSeconds"] >= 60


def test_the_composed_viewer_takes_its_configuration_and_asks_for_a_token(environment: pytest.MonkeyPatch) -> None:
    viewer = SERVICES["serve"]
    _set(environment, viewer["environment"])
    settings = load_settings()
    assert settings.lake == SERVICES["replaylake"]["environment"]["REPLAYLAKE_LAKE"]
    assert not ip_address(settings.serve.host).is_loopback
    assert [*settings.serve.tokens] == ["local"]
    [port] = viewer["ports"]
    assert settings.serve.public_url == f"http://{port.rpartition(':')[0]}"
    assert port.endswith(f":{settings.serve.port}")
    assert viewer["read_only"] is True
    assert viewer["cap_drop"] == ["ALL"]


def test_the_pod_of_the_viewer_takes_its_configuration_and_asks_for_a_token(environment: pytest.MonkeyPatch) -> None:
    pod = VIEWER["spec"]["template"]["spec"]
    [container] = pod["containers"]
    secrets = {
        name: _yaml(KUBERNETES / f"secret{ending}.example.yaml")["stringData"]
        for name, ending in (("replaylake", ""), ("replaylake-serve", "-serve"))
    }
    given = {
        one["name"]: one.get("value") or secrets[one["valueFrom"]["secretKeyRef"]["name"]][one["name"]]
        for one in container["env"]
    }
    [[source]] = [one.values() for one in container["envFrom"]]
    _set(environment, given | secrets[source["name"]] | {CONFIG_VARIABLE: str(KUBERNETES / "replaylake.toml")})
    settings = load_settings()
    assert settings.serve.tokens
    assert settings.serve.link_key
    assert not ip_address(settings.serve.host).is_loopback
    assert settings.s3.storage_options()["key"] == "change-me"
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": settings.serve.port, "metrics": settings.http.place()[1]}
    labels = VIEWER["spec"]["template"]["metadata"]["labels"]
    assert _yaml(KUBERNETES / "serve-service.yaml")["spec"]["selector"] == labels
    assert pod["enableServiceLinks"] is False
    assert container["securityContext"] == CONTAINER["securityContext"]
