"""Reading deploy/kubernetes as Kustomize does, as far as the rules need it."""

import copy
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from tests.house.tree import ROOT

from common import settings
from common.settings import Section
from fetcher.settings import FetcherSettings
from gateway.settings import GatewaySection
from normalizer.settings import NormalizerSection

Document = dict[str, Any]
Documents = list[Document]

FOLDER: Final = ROOT / "deploy" / "kubernetes"
SECTIONS: Final[dict[str, type[Section]]] = {
    "fetcher": FetcherSettings,
    "normalizer": NormalizerSection,
    "gateway": GatewaySection,
}
"""The services, each with its own section of the settings."""
OURS: Final = {*SECTIONS, "migrate", "tokens", "definitions"}
"""The containers that run our images."""
WORKLOADS: Final = ("Deployment", "StatefulSet", "Job", "CronJob")
APIS: Final = {
    "Namespace": "v1",
    "Service": "v1",
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "Job": "batch/v1",
    "CronJob": "batch/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "PodDisruptionBudget": "policy/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "Ingress": "networking.k8s.io/v1",
    "ScaledObject": "keda.sh/v1alpha1",
    "TriggerAuthentication": "keda.sh/v1alpha1",
}
CONTAINER_RIGHTS: Final = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def kustomization(folder: Path) -> Document:
    """Return what a folder's kustomization.yaml says."""
    found: Document = yaml.safe_load((folder / "kustomization.yaml").read_text())
    return found


def folders(folder: Path) -> Iterator[Path]:
    """Yield a folder and all that it is made of."""
    yield folder
    said = kustomization(folder)
    for name in [*said.get("resources", []), *said.get("components", [])]:
        if (folder / name).is_dir():
            yield from folders((folder / name).resolve())


@cache
def _read(overlay: str) -> Documents:
    files = [
        folder / name
        for folder in folders(FOLDER / "overlays" / overlay)
        for name in kustomization(folder)["resources"]
        if (folder / name).is_file()
    ]
    return [document for file in files for document in yaml.safe_load_all(file.read_text())]


def documents(overlay: str) -> Documents:
    """Return every resource of an overlay as it is written, patches not applied."""
    return copy.deepcopy(_read(overlay))


def config_maps(overlay: str) -> dict[str, list[str]]:
    """Return the generated ConfigMaps by name with their keys, or `KEY=value` where those are literals."""
    found: dict[str, list[str]] = {}
    for folder in folders(FOLDER / "overlays" / overlay):
        for made in kustomization(folder).get("configMapGenerator", []):
            keys = [file.partition("=")[0] for file in made.get("files", [])]
            found[made["name"]] = [*found.get(made["name"], []), *keys, *made.get("literals", [])]
    return found


def of_kind(found: Documents, *kinds: str) -> Documents:
    """Return the resources of some kinds."""
    return [document for document in found if document["kind"] in kinds]


def pods(found: Documents) -> dict[str, Document]:
    """Return the template of the pods of each workload, by the workload's name."""
    templates = {}
    for one in of_kind(found, "Deployment", "StatefulSet", "Job", "CronJob"):
        spec = one["spec"]["jobTemplate"]["spec"] if one["kind"] == "CronJob" else one["spec"]
        templates[one["metadata"]["name"]] = spec["template"]
    return templates


def containers(found: Documents) -> dict[str, Document]:
    """Return every container by its name."""
    specs = [template["spec"] for template in pods(found).values()]
    return {one["name"]: one for spec in specs for one in [*spec.get("initContainers", []), *spec["containers"]]}


def environment(container: Document) -> dict[str, Document]:
    """Return what a container's environment says of each name."""
    return {item["name"]: item for item in container.get("env", [])}


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Tell whether a selector takes a pod with these labels."""
    wanted = selector.get("matchLabels", {}).items() <= labels.items()
    listed = all(labels.get(one["key"]) in one["values"] for one in selector.get("matchExpressions", []))
    return wanted and listed


def strange_kinds(found: Documents) -> list[str]:
    """Name the resources whose kind or version is none that we use."""
    return [f"{one['apiVersion']} {one['kind']}" for one in found if APIS.get(one["kind"]) != one["apiVersion"]]


def lost_selectors(found: Documents) -> list[str]:
    """Name the resources that choose pods and find none."""
    labels = {name: template["metadata"]["labels"] for name, template in pods(found).items()}
    wrong = []
    for one in found:
        kind, name, spec = one["kind"], one["metadata"]["name"], one.get("spec", {})
        if kind in {"Deployment", "StatefulSet"} and not matches(spec["selector"], labels[name]):
            wrong.append(f"{kind} {name}")
        chosen = {"PodDisruptionBudget": "selector", "NetworkPolicy": "podSelector"}.get(kind)
        selector = {"matchLabels": spec["selector"]} if kind == "Service" else spec.get(chosen) if chosen else None
        if selector is not None and not any(matches(selector, own) for own in labels.values()):
            wrong.append(f"{kind} {name}")
    return wrong


def dangling(found: Documents, maps: Mapping[str, list[str]]) -> list[str]:
    """Name each reference to a ConfigMap, volume, port, workload, Service or authentication that is not there."""
    wrong = []
    for name, template in pods(found).items():
        spec = template["spec"]
        volumes = {one["name"] for one in spec.get("volumes", [])}
        wrong += [f"{name}: {one['configMap']['name']}" for one in spec.get("volumes", []) if "configMap" in one]
        claims = next(one for one in found if one["metadata"]["name"] == name and one in of_kind(found, *WORKLOADS))
        volumes |= {one["metadata"]["name"] for one in claims["spec"].get("volumeClaimTemplates", [])}
        for one in [*spec.get("initContainers", []), *spec["containers"]]:
            wrong += [f"{name}: {item['configMapRef']['name']}" for item in one.get("envFrom", [])]
            wrong += [f"{name}: {item['name']}" for item in one["volumeMounts"] if item["name"] not in volumes]
    wrong = [line for line in wrong if line.partition(": ")[2] not in maps]
    names = {(one["kind"], one["metadata"]["name"]) for one in found}
    for one in of_kind(found, "HorizontalPodAutoscaler", "ScaledObject"):
        target = ("Deployment", one["spec"]["scaleTargetRef"]["name"])
        wrong += [f"{one['kind']}: {target[1]}"] if target not in names else []
        used = [one["authenticationRef"]["name"] for one in one["spec"].get("triggers", [])]
        wrong += [f"{one['kind']}: {name}" for name in used if ("TriggerAuthentication", name) not in names]
    for path in (path for one in of_kind(found, "Ingress") for path in one["spec"]["rules"][0]["http"]["paths"]):
        service = path["backend"]["service"]
        wrong += [] if ("Service", service["name"]) in names else [f"Ingress: {service['name']}"]
    return wrong + _closed_ports(found)


def _closed_ports(found: Documents) -> list[str]:
    """Name the ports by name of Services and policies that no chosen pod has."""
    wrong = []
    for one in of_kind(found, "Service", "NetworkPolicy"):
        spec = one["spec"]
        selector = {"matchLabels": spec["selector"]} if one["kind"] == "Service" else spec["podSelector"]
        chosen = [template["spec"] for template in pods(found).values() if matches(selector, labels_of(template))]
        rules = [port for rule in spec.get("ingress", []) for port in rule["ports"]]
        asked = {port.get("targetPort", port["port"]) for port in [*rules, *spec.get("ports", [])]}
        has = [{port["name"] for item in pod["containers"] for port in item.get("ports", [])} for pod in chosen]
        wrong += [
            f"{one['kind']} {one['metadata']['name']}: {port}" for port in asked if not all(port in h for h in has)
        ]
    return wrong


def labels_of(template: Document) -> dict[str, str]:
    """Return the labels of the pods of a template."""
    labels: dict[str, str] = template["metadata"]["labels"]
    return labels


def mighty(found: Documents) -> list[str]:
    """Name each pod and container with more rights or fewer bounds than it needs."""
    wrong = []
    for name, template in pods(found).items():
        spec, context = template["spec"], template["spec"]["securityContext"]
        wrong += [] if context["runAsNonRoot"] and context["runAsUser"] > 0 else [f"{name}: user"]
        wrong += [] if context["seccompProfile"] == {"type": "RuntimeDefault"} else [f"{name}: seccomp"]
        wrong += [] if spec["automountServiceAccountToken"] is False else [f"{name}: token"]
        wrong += [f"{name}: {key}" for key in ("hostNetwork", "hostPID", "hostIPC") if key in spec]
        wrong += [f"{name}: hostPath" for volume in spec.get("volumes", []) if "hostPath" in volume]
    for name, one in containers(found).items():
        wrong += [] if one["securityContext"] == CONTAINER_RIGHTS else [f"{name}: rights"]
        bounded = {"cpu", "memory"} <= one["resources"]["requests"].keys() and "memory" in one["resources"]["limits"]
        wrong += [] if bounded else [f"{name}: resources"]
    return wrong


def unknown_names(found: Documents, maps: Mapping[str, list[str]]) -> list[str]:
    """Name the variables of our containers that no settings read."""
    known = set(settings.FLAT_NAMES) | settings.OTHER_NAMES | settings.COMPOSE_NAMES
    named = {(name, key) for name in OURS for key in environment(containers(found).get(name, {}))}
    named |= {("servers", literal.partition("=")[0]) for literal in maps["feedmill-servers"]}
    wrong = [
        f"{name}: {key}" for name, key in named if not key.startswith(settings.OVERRIDE_PREFIX) and key not in known
    ]
    for name, key in named:
        if key.startswith(settings.OVERRIDE_PREFIX):
            section, _, field = key.removeprefix(settings.OVERRIDE_PREFIX).lower().partition("__")
            wrong += [] if section == name and field in SECTIONS[name].model_fields else [f"{name}: {key}"]
    return wrong


def secrets(found: Documents) -> set[tuple[str, str]]:
    """Return name and key of every secret that is asked for."""
    asked = [
        item["valueFrom"]["secretKeyRef"]
        for one in containers(found).values()
        for item in one.get("env", [])
        if "valueFrom" in item
    ]
    asked += [item for one in of_kind(found, "TriggerAuthentication") for item in one["spec"]["secretTargetRef"]]
    return {(item["name"], item["key"]) for item in asked}


def one_named(found: Documents, kind: str, name: str) -> Document:
    """Return the resource of this kind and name."""
    return next(one for one in of_kind(found, kind) if one["metadata"]["name"] == name)
