"""Letters of languages from the most frequent to the rarest, by which charsets are recognised.

The order is that of running text. Languages with few radio stations are left out where their
charset is recognised by a related language.
"""

from __future__ import annotations

from typing import Final

LETTERS: Final[dict[str, str]] = {
    "en": "etaoinshrdlcumwfgypbvkjxqz",
    "de": "enisratdhulcgmobwfkzpvüäßjöxyqé",
    "fr": "esaitnrulodcpmévqfbghjàxèyêzçwkùâîûôœëïñÿæü",
    "es": "eaosnrildtucmpbqyvgóíhéfzjáúñxüwkç",
    "pt": "aeosrindmutclpvgqbfhãçáézíjxóêâõúôàywkü",
    "it": "eiaonlrtscdupmvghfbqzòàèùìéxyjkw",
    "nl": "enatirodslghvkmubpwjczfxyéëqïöüáóè",
    "sv": "eantrsildomkgväfhupåöbcjyxwzéqüæøáíóúðþ",
    "da": "enrtsidalogmkfvubhpøåæyjczwxqéäöü",
    "fi": "aintesloukämvrjhypdögbfcåwzxqé",
    "pl": "iaoezncwrsytkdpłmęuljąbgóhśżfńćźxvq",
    "cs": "oenatvsilkrdpímuázjyéhcěřbčšžýfgúůxťóďňwq",
    "sk": "aoenivtrsklmdupázyjhíčcbéžšýúľťfgňôďäxóĺŕwq",
    "hu": "eatlnskriozágméydbvhjőfupöócíúüűxwq",
    "hr": "aioenrjsvutkdlmpgzbcčhšžćđfxwqy",
    "ro": "eiarntucslăodpmşgbvfţîzhâjxkyw",
    "tr": "aeinrlıdkmuyotsbüşzgçhğvcöpfjâîûxwqé",
    "lt": "iasotrenukmldvpgėjbyšųžąčęūįzcfhxwq",
    "lv": "aisterunkolmpdvījāgbzčēcšņļģķžūfhxwq",
    "et": "aieslutkndomvrhgpäjüõböšfžcyxw",
    "ru": "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё",
    "uk": "оанивіетрслкудмпязьбгчйхцжюєшїфщґ",
    "bg": "аиоетнрвслкдпмзяъгучбцжйщюхфшь",
    "sr": "аиоенрјствудклмпзбгчшћцжхњљђфџ",
    "el": "αοιετσνηυρπκμλωςίάόέγδήύχθφώβξζψϊϋΐ",
    "he": "יוהלארתבמשנםעדקחפכגטצזסןךףץ",
    "ar": "اليمونرتبةعدسفهكقأحجشطىصخءضذزثئإآغظؤ",
    "th": "านรอก่เงมยลวดัทส้ตะปีบคิหแุจพช็ขใไู์โืผึซำธศฐณษฉภๆฝญฮฎฏฟฬฑฌฆ๊๋",
}
NEVER_FIRST: Final = frozenset("ьъыğßěůęąςןםץףך่้ัิีืุู์็")
"""Letters that begin no word."""
ONLY_LAST: Final = frozenset("ςןםץףך")
"""Letters that only end words."""
VOWELS: Final = frozenset("аеёиоуыэюяіїєъαεηιουωάέήίόύώaeiouyáéíóúýäöüåæøàèìòùâêîôûãõąęěůőűăıėūį")
"""Vowels of the alphabets that write vowels."""
