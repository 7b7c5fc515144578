"""Which sources feed which attribute, as the city's folder says: from the mappings' texts and landbridge.toml."""

from collections.abc import Callable, Collection, Mapping, Sequence

from landbridge.errors import Invalid, InvalidSettings
from landbridge.model.claim import ClaimRule, Claims
from landbridge.model.instant import parse_duration
from landbridge.settings import FILE, Rule, Settings
from landbridge.sources.contract import Declaration
from landbridge.sources.mapping.mapper import MappingFile

Expand = Callable[[str], str]


def claims_of(
    settings: Settings,
    declarations: Sequence[Declaration],
    mappings: Mapping[str, Sequence[MappingFile]],
    expand: Expand = str,
    others: Collection[str] = (),
) -> Claims:
    """The city's claims. `mappings` by source; `expand` turns a mapping's name into a stored name.

    `others` are sources whose folder is wrong just now: a rule may name them.

    Raises InvalidSettings where a rule's order names a source that the city does not have.
    """
    feeds: dict[tuple[str, str, str], set[str]] = {}
    for declaration in declarations:
        for file in mappings.get(declaration.name, ()):
            for type_ in file.types:
                for attribute in file.attributes:
                    key = (declaration.tenant, expand(type_), expand(attribute))
                    feeds.setdefault(key, set()).add(declaration.name)
    known = {declaration.name for declaration in declarations} | set(others)
    return Claims(
        feeds={key: tuple(sorted(sources)) for key, sources in sorted(feeds.items())},
        rules={rule_key(rule, expand): claim_rule(rule, known) for rule in settings.rules},
        holds={declaration.name: declaration.holds for declaration in declarations},
    )


def rule_key(rule: Rule, expand: Expand) -> tuple[str, str]:
    return expand(rule.type), rule.attribute if rule.attribute == "*" else expand(rule.attribute)


def claim_rule(rule: Rule, known: set[str]) -> ClaimRule:
    """One rule as the pool reads it; raises InvalidSettings."""
    place = f"claims.{rule.type}" + ("" if rule.attribute == "*" else f".{rule.attribute}")
    for source in rule.order:
        if source not in known:
            raise InvalidSettings(
                f"`{place}.order` names '{source}', which is no source of the city.",
                where=FILE,
                hint=f"The sources are: {', '.join(sorted(known)) or 'none'}.",
            )
    try:
        tolerated = parse_duration(rule.tolerance_time)
    except Invalid:
        raise InvalidSettings(
            f"`{place}.tolerance_time` is '{rule.tolerance_time}'.", where=FILE, hint="Write one like 'P1D' or 'PT6H'."
        ) from None
    return ClaimRule(rule.rule, rule.order, rule.tolerance, tolerated)
