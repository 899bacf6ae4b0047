"""The manifests in deploy/kubernetes hold together: what no cluster of this machine can try is checked by structure."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import kubernetes_validate  # type: ignore[import-untyped]  # it comes without types
import pytest
import yaml
from tests.house import compose
from tests.house.kubernetes import (
    FOLDER,
    OURS,
    SECTIONS,
    Document,
    Documents,
    config_maps,
    containers,
    dangling,
    documents,
    environment,
    folders,
    kustomization,
    labels_of,
    lost_selectors,
    mighty,
    of_kind,
    one_named,
    pods,
    secrets,
    strange_kinds,
    unknown_names,
)
from tests.house.test_compose import COMMANDS, parsed
from tests.house.tree import text

from common import settings
from fetcher.settings import FetcherSettings
from gateway.settings import GatewaySection
from normalizer.settings import NormalizerSection

OVERLAYS: Final = ("production", "trial")
VERSIONS: Final = ("1.30", "1.37")
"""Of Kubernetes: the oldest and the newest that the manifests are for."""
GUIDE: Final = text(Path("deploy/kubernetes/README.md"))
COMPOSE: Final = compose.services(text(Path("docker-compose.yml")))


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> str:
    """Each overlay in turn."""
    return str(request.param)


def test_every_file_is_part_of_an_overlay() -> None:
    used = {
        folder / name
        for one in OVERLAYS
        for folder in folders(FOLDER / "overlays" / one)
        for name in kustomization(folder)["resources"]
    }
    assert {path for path in FOLDER.rglob("*.yaml") if path.name != "kustomization.yaml"} == {
        p for p in used if p.is_file()
    }


def test_generated_files_come_from_files_that_exist(overlay: str) -> None:
    for folder in folders(FOLDER / "overlays" / overlay):
        for made in kustomization(folder).get("configMapGenerator", []):
            assert [file for file in made.get("files", []) if not (folder / file.partition("=")[2]).is_file()] == []


def test_everything_is_of_a_known_kind_and_version_and_named_once(overlay: str) -> None:
    found = documents(overlay)
    assert strange_kinds(found) == []
    assert strange_kinds([{"kind": "Deployment", "apiVersion": "apps/v1beta1"}]) == ["apps/v1beta1 Deployment"]
    names = [(one["kind"], one["metadata"]["name"]) for one in found]
    assert len(names) == len(set(names))


def test_selectors_find_pods(overlay: str) -> None:
    assert lost_selectors(documents(overlay)) == []


def test_every_reference_leads_somewhere(overlay: str) -> None:
    assert dangling(documents(overlay), config_maps(overlay)) == []


def test_no_pod_has_more_rights_than_it_needs(overlay: str) -> None:
    assert mighty(documents(overlay)) == []


def test_every_variable_is_one_that_settings_read(overlay: str) -> None:
    assert unknown_names(documents(overlay), config_maps(overlay)) == []


def _spec(found: Documents) -> Document:
    spec: Document = one_named(found, "Deployment", "gateway")["spec"]["template"]["spec"]
    return spec


PLANTED: Final[dict[str, Callable[[Documents], object]]] = {
    "Service gateway": lambda found: one_named(found, "Service", "gateway")["spec"].update(selector={"a": "b"}),
    "Deployment gateway": lambda found: one_named(found, "Deployment", "gateway")["spec"].update(
        selector={"matchLabels": {"a": "b"}}
    ),
    "Service gateway: grpc": lambda found: one_named(found, "Service", "gateway")["spec"]["ports"][0].update(
        targetPort="grpc"
    ),
    "gateway: gone": lambda found: _spec(found)["containers"][0]["volumeMounts"][0].update(name="gone"),
    "gateway: other": lambda found: _spec(found)["containers"][0]["envFrom"][0]["configMapRef"].update(name="other"),
    "HorizontalPodAutoscaler: nobody": lambda found: one_named(found, "HorizontalPodAutoscaler", "gateway")["spec"][
        "scaleTargetRef"
    ].update(name="nobody"),
    "gateway: user": lambda found: _spec(found)["securityContext"].update(runAsUser=0),
    "gateway: token": lambda found: _spec(found).update(automountServiceAccountToken=True),
    "gateway: rights": lambda found: _spec(found)["containers"][0]["securityContext"].update(capabilities={}),
    "gateway: resources": lambda found: _spec(found)["containers"][0]["resources"]["limits"].clear(),
    "gateway: DB_PASWORD": lambda found: _spec(found)["containers"][0]["env"].append({"name": "DB_PASWORD"}),
    "gateway: FEEDMILL__GATEWAY__SPEED": lambda found: _spec(found)["containers"][0]["env"].append(
        {"name": "FEEDMILL__GATEWAY__SPEED"}
    ),
}


@pytest.mark.parametrize("said", PLANTED)
def test_each_planted_mistake_is_found(said: str) -> None:
    found, maps = documents("production"), config_maps("production")
    PLANTED[said](found)
    assert said in [*lost_selectors(found), *dangling(found, maps), *mighty(found), *unknown_names(found, maps)]


def test_no_secret_is_in_the_tree_and_the_guide_makes_each_that_is_asked_for(overlay: str) -> None:
    found = documents(overlay)
    secret_names = {"DB_PASSWORD", "RABBITMQ_URL", "SECRET_KEY", "CHE168_API_KEY", *settings.SERVICE_PASSWORDS.values()}
    told = [key for one in containers(found).values() for key, item in environment(one).items() if "value" in item]
    assert secret_names & set(told) == set()
    for name, key in secrets(found):
        made = next((line for line in GUIDE.split("kubectl create secret generic ") if line.startswith(name)), "")
        assert f"--from-literal={key}=" in made, (name, key)


def test_each_service_is_told_the_password_of_its_own_role_and_no_other(overlay: str) -> None:
    found = containers(documents(overlay))
    for name in SECTIONS:
        told = environment(found[name])
        assert told["DB_USER"]["value"] == settings.role_of(name)
        assert {item["valueFrom"]["secretKeyRef"]["name"] for item in told.values() if "valueFrom" in item} == {
            f"feedmill-{name}"
        }


def test_images_are_those_of_compose(overlay: str) -> None:
    images = {service["image"] for service in COMPOSE.values()}
    assert {one["image"] for one in containers(documents(overlay)).values()} - images == set()
    version = COMPOSE["gateway"]["image"].partition(":")[2]
    tags = [
        image for folder in folders(FOLDER / "overlays" / overlay) for image in kustomization(folder).get("images", [])
    ]
    assert {image["newTag"] for image in tags} == {version}


def probes(found: Documents) -> list[tuple[str, Document]]:
    """Return each probe with the name of its container."""
    kinds = ("startupProbe", "livenessProbe", "readinessProbe")
    return [(name, one[kind]) for name, one in containers(found).items() for kind in kinds if kind in one]


def test_every_command_of_ours_exists_and_is_understood() -> None:
    commands = set()
    for found in map(documents, OVERLAYS):
        commands |= {tuple(one["command"]) for name, one in containers(found).items() if name in OURS}
        commands |= {tuple(one["exec"]["command"]) for name, one in probes(found) if name in OURS and "exec" in one}
    tried = {tuple(words) for _, words in COMMANDS}
    assert len(commands & tried) > len(SECTIONS)
    for words in commands - tried:
        said = parsed(list(words))
        assert [word for word in words if word.startswith("--") and word not in said] == []


def test_every_service_is_asked_whether_it_is_ready_and_the_gateway_whether_it_lives(overlay: str) -> None:
    found = containers(documents(overlay))
    paths = json.loads(text(Path("docs/openapi.json")))["paths"]
    for name, probe in probes(documents(overlay)):
        if "httpGet" in probe:
            assert probe["httpGet"]["path"] in paths
            assert probe["httpGet"]["port"] in {port["name"] for port in found[name]["ports"]}
    assert [name for name in SECTIONS if "readinessProbe" not in found[name]] == []
    assert [name for name in SECTIONS if "livenessProbe" in found[name]] == ["gateway"]


def test_every_pod_has_more_time_to_stop_than_it_takes(overlay: str) -> None:
    takes_s = {
        "fetcher": max(15.0, FetcherSettings().stop_grace_s),  # 15: FastStream's patience with handlers
        "normalizer": max(15.0, NormalizerSection().stop_within_s),
        "gateway": max(15.0, float(GatewaySection().shutdown_timeout_s)),
    }
    for name, spec in ((name, template["spec"]) for name, template in pods(documents(overlay)).items()):
        hook = spec["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        assert spec["terminationGracePeriodSeconds"] > takes_s.get(name, 0) + hook + 5, name


def test_ports_are_those_that_the_settings_say(overlay: str) -> None:
    found = containers(documents(overlay))
    for name, variable in (
        ("fetcher", "FEEDMILL__FETCHER__METRICS_PORT"),
        ("normalizer", "FEEDMILL__NORMALIZER__METRICS_PORT"),
        ("gateway", "API_PORT"),
    ):
        assert str(found[name]["ports"][0]["containerPort"]) == environment(found[name])[variable]["value"]


def test_there_is_one_fetcher_and_never_two(overlay: str) -> None:
    found = documents(overlay)
    spec = one_named(found, "Deployment", "fetcher")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    scaled = {
        one["spec"]["scaleTargetRef"]["name"] for one in of_kind(found, "HorizontalPodAutoscaler", "ScaledObject")
    }
    assert scaled <= {"normalizer", "gateway"}


def test_gateways_are_as_many_as_the_limit_of_requests_expects(overlay: str) -> None:
    found = documents(overlay)
    most = one_named(found, "HorizontalPodAutoscaler", "gateway")["spec"]["maxReplicas"]
    assert environment(containers(found)["gateway"])["FEEDMILL__GATEWAY__PROCESSES"]["value"] == str(most)
    assert "replicas" not in one_named(found, "Deployment", "gateway")["spec"]


def test_normalizers_follow_the_length_of_a_queue_that_exists() -> None:
    scaled = one_named(documents("production"), "ScaledObject", "normalizer")["spec"]
    queues = {one["name"] for one in json.loads(text(Path("deploy/rabbitmq/definitions.json")))["queues"]}
    assert [one["metadata"]["queueName"] for one in scaled["triggers"]] == ["normalizer.raw"]
    assert "normalizer.raw" in queues


def test_whoever_uses_a_server_may_reach_it_and_nothing_is_allowed_by_default(overlay: str) -> None:
    found = documents(overlay)
    closed = one_named(found, "NetworkPolicy", "nothing")["spec"]
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for template in pods(found).values():
        told = set().union(*(environment(one) for one in template["spec"]["containers"]))
        labels = labels_of(template)
        assert ("uses-database" in labels) is ("DB_PASSWORD" in told)
        assert ("uses-broker" in labels) is ("RABBITMQ_URL" in told)
        assert ("uses-upstreams" in labels) is ("CHE168_API_KEY" in told)


def test_the_public_sees_the_api_and_nothing_else() -> None:
    paths = one_named(documents("production"), "Ingress", "gateway")["spec"]["rules"][0]["http"]["paths"]
    public = tuple(path["path"] for path in paths)
    served = set(json.loads(text(Path("docs/openapi.json")))["paths"])
    hidden = {path for path in served if not any(path == one or path.startswith(f"{one}/") for one in public)}
    assert hidden == {"/info", "/metrics", "/health/live", "/health/ready"}
    assert [one for one in public if not any(path == one or path.startswith(f"{one}/") for path in served)] == []


def refused(found: Documents, version: str) -> list[str]:
    """Name the documents that the schemas of a version of Kubernetes refuse, unknown fields included."""
    names: list[str] = []
    for one in found:
        if one["apiVersion"].startswith("keda.sh/"):  # a kind of its own, unknown to Kubernetes
            continue
        try:
            kubernetes_validate.validate(one, version, strict=True)
        except kubernetes_validate.ValidationError:
            names.append(f"{one['kind']} {one['metadata']['name']}")
    return sorted(names)


@pytest.fixture(scope="module")
def rendered() -> dict[str, Documents]:
    """What kustomize makes of each overlay."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")
    words = [kubectl, "kustomize", "--load-restrictor", "LoadRestrictionsNone"]
    made = {
        name: subprocess.run([*words, str(FOLDER / "overlays" / name)], capture_output=True, check=True).stdout  # noqa: S603 - fixed words
        for name in OVERLAYS
    }
    return {name: list(yaml.safe_load_all(output)) for name, output in made.items()}


def test_kustomize_renders_what_is_written(overlay: str, rendered: dict[str, Documents]) -> None:
    found = rendered[overlay]
    made = {one["metadata"]["name"].rpartition("-")[0] for one in of_kind(found, "ConfigMap")}
    assert made == set(config_maps(overlay))
    others = [one for one in found if one["kind"] != "ConfigMap"]
    assert {(one["kind"], one["metadata"]["name"]) for one in others} == {
        (one["kind"], one["metadata"]["name"]) for one in documents(overlay)
    }
    assert {one["metadata"].get("namespace") for one in found if one["kind"] != "Namespace"} == {"feedmill"}
    assert mighty(others) == []
    maps: dict[str, list[str]] = {one["metadata"]["name"]: [] for one in of_kind(found, "ConfigMap")}
    assert [*dangling(others, maps), *lost_selectors(others)] == []


def test_production_takes_its_images_from_one_registry_and_leaves_the_number_to_keda(
    rendered: dict[str, Documents],
) -> None:
    found = rendered["production"]
    assert {one["image"].rpartition("/")[0] for one in containers(found).values()} == {"registry.example.com"}
    assert "replicas" not in one_named(found, "Deployment", "normalizer")["spec"]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_schemas_of_kubernetes_accept_what_is_written(version: str, overlay: str) -> None:
    assert refused(documents(overlay), version) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_the_schemas_of_kubernetes_accept_what_is_rendered(
    version: str, overlay: str, rendered: dict[str, Documents]
) -> None:
    assert refused(rendered[overlay], version) == []


def test_a_misspelt_field_and_a_wrong_type_are_refused() -> None:
    found = documents("production")
    _spec(found).update(serviceAcountName="gateway")
    one_named(found, "Deployment", "normalizer")["spec"].update(replicas="two")
    assert refused(found, VERSIONS[0]) == ["Deployment gateway", "Deployment normalizer"]
