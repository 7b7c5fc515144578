"""Units of measure: UN/CEFACT Recommendation 20 codes, as NGSI-LD's `unitCode` has them, to symbols and names.

Only codes that city data uses; an unknown code is shown as it is.
"""

from landbridge.console.language import mark

UNITS: dict[str, tuple[str, str]] = {
    "GQ": ("µg/m³", mark("microgram per cubic metre")),
    "GP": ("mg/m³", mark("milligram per cubic metre")),
    "59": ("ppm", mark("parts per million")),
    "61": ("ppb", mark("parts per billion")),
    "CEL": ("°C", mark("degree Celsius")),
    "FAH": ("°F", mark("degree Fahrenheit")),
    "KEL": ("K", mark("kelvin")),
    "P1": ("%", mark("per cent")),
    "C62": ("", mark("count")),
    "EA": ("", mark("count")),
    "H87": ("", mark("pieces")),
    "IE": ("", mark("persons")),
    "MTR": ("m", mark("metre")),
    "KMT": ("km", mark("kilometre")),
    "CMT": ("cm", mark("centimetre")),
    "MMT": ("mm", mark("millimetre")),
    "MTK": ("m²", mark("square metre")),
    "KMK": ("km²", mark("square kilometre")),
    "HAR": ("ha", mark("hectare")),
    "MTQ": ("m³", mark("cubic metre")),
    "LTR": ("l", mark("litre")),
    "KGM": ("kg", mark("kilogram")),
    "GRM": ("g", mark("gram")),
    "TNE": ("t", mark("tonne")),
    "MTS": ("m/s", mark("metre per second")),
    "KMH": ("km/h", mark("kilometre per hour")),
    "KNT": ("kn", mark("knot")),
    "DD": ("°", mark("degree of angle")),
    "PAL": ("Pa", mark("pascal")),
    "A97": ("hPa", mark("hectopascal")),
    "KPA": ("kPa", mark("kilopascal")),
    "BAR": ("bar", mark("bar")),
    "WTT": ("W", mark("watt")),
    "KWT": ("kW", mark("kilowatt")),
    "MAW": ("MW", mark("megawatt")),
    "KWH": ("kWh", mark("kilowatt hour")),
    "VLT": ("V", mark("volt")),
    "AMP": ("A", mark("ampere")),
    "HTZ": ("Hz", mark("hertz")),
    "2N": ("dB", mark("decibel")),
    "LUX": ("lx", mark("lux")),
    "D54": ("W/m²", mark("watt per square metre")),
    "H67": ("mm/h", mark("millimetre per hour")),
    "MQH": ("m³/h", mark("cubic metre per hour")),
    "MQS": ("m³/s", mark("cubic metre per second")),
    "SEC": ("s", mark("second")),
    "MIN": ("min", mark("minute")),
    "HUR": ("h", mark("hour")),
    "DAY": ("d", mark("day")),
}


def symbol(code: str | None) -> str:
    """The sign of a unit code; a code that is not known, as it is."""
    return UNITS[code][0] if code in UNITS else (code or "")


def unit_name(code: str | None) -> str:
    """The English name of a unit code (a text of the catalogues); empty where it is not known."""
    return UNITS[code][1] if code in UNITS else ""
