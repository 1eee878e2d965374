"""What several parts apply and expect."""

from stage import Surprise

RIGHT = ("subject-dn", "by-subject-dn")
ANOTHER = ("wrong", "by-subject-dn")


def apply(world, *manifests):
    for manifest in manifests:
        world.cluster.check(manifest)
        world.cluster.apply(manifest)


def decides(edge):
    edge.expect("by-subject-dn", 200, "authenticated", *RIGHT)
    edge.expect("another's certificate", 401, "subject_mismatch", *ANOTHER)
    edge.expect("no certificate", 401, "certificate_missing", None, "by-subject-dn")


def replaced(text, old, new):
    if text.count(old) != 1:
        raise Surprise(f"{text.count(old)} times in the manifest: {old.strip()}")
    return text.replace(old, new)
