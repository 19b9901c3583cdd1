"""What names are made of. Any likeness to a real company is chance: parts are combined at random."""

from __future__ import annotations

from shared.prefectures import PREFECTURES

FAMILY = [
    ("佐藤", "sato"), ("鈴木", "suzuki"), ("高橋", "takahashi"), ("田中", "tanaka"), ("伊藤", "ito"),
    ("渡辺", "watanabe"), ("山本", "yamamoto"), ("中村", "nakamura"), ("小林", "kobayashi"),
    ("加藤", "kato"), ("吉田", "yoshida"),
    ("山田", "yamada"), ("佐々木", "sasaki"), ("山口", "yamaguchi"), ("松本", "matsumoto"), ("井上", "inoue"),
    ("木村", "kimura"), ("林", "hayashi"), ("斎藤", "saito"), ("清水", "shimizu"), ("森", "mori"), ("池田", "ikeda"),
    ("橋本", "hashimoto"), ("石川", "ishikawa"), ("前田", "maeda"), ("藤田", "fujita"), ("岡田", "okada"),
    ("後藤", "goto"), ("長谷川", "hasegawa"), ("村上", "murakami"),
]  # fmt: skip
GIVEN = [
    ("翔太", "shota"), ("大輔", "daisuke"), ("健太", "kenta"), ("拓也", "takuya"), ("直樹", "naoki"), ("誠", "makoto"),
    ("浩二", "koji"), ("隆", "takashi"), ("陽子", "yoko"), ("恵", "megumi"), ("裕子", "yuko"), ("美咲", "misaki"),
    ("愛", "ai"), ("彩", "aya"), ("由美", "yumi"), ("智子", "tomoko"), ("真理", "mari"), ("和也", "kazuya"),
    ("亮", "ryo"), ("麻衣", "mai"), ("純", "jun"), ("千尋", "chihiro"), ("薫", "kaoru"), ("優", "yu"),
]  # fmt: skip
COMPANY_HEADS = [
    ("蒼嶺", "sorei"), ("瑞樹野", "mizukino"), ("白鷺川", "shirasagigawa"), ("暁星台", "gyoseidai"), ("翠陵", "suiryo"),
    ("月見坂", "tsukimizaka"), ("風早", "kazahaya"), ("千歳橋", "chitosebashi"), ("雲井", "kumoi"), ("碧洋", "hekiyo"),
    ("若葉丘", "wakabaoka"), ("霧ノ宮", "kirinomiya"), ("ひなたの", "hinatano"), ("あけぼ", "akebo"),
    ("ルミナ", "lumina"),
    ("カナデ", "kanade"), ("ソラリオ", "solario"), ("ミナモ", "minamo"), ("トモリ", "tomori"), ("ヒビキノ", "hibikino"),
]  # fmt: skip
INDUSTRIES: list[tuple[str, int, list[tuple[str, str]]]] = [
    ("製造", 22, [("製作所", "works"), ("精工", "seiko"), ("化成", "kasei"), ("工業", "kogyo")]),
    ("情報通信", 18, [("システムズ", "systems"), ("ネット", "net"), ("ソフト", "soft")]),
    ("サービス", 14, [("サービス", "service"), ("企画", "kikaku")]),
    ("卸売", 10, [("商事", "shoji"), ("物産", "bussan")]),
    ("小売", 10, [("ストア", "store"), ("マート", "mart")]),
    ("建設", 8, [("建設", "kensetsu"), ("設備", "setsubi")]),
    ("運輸", 6, [("物流", "logi"), ("運輸", "unyu")]),
    ("金融", 5, [("キャピタル", "capital"), ("リース", "lease")]),
    ("医療", 4, [("メディカル", "medical"), ("ケア", "care")]),
    ("官公庁", 3, [("市振興機構", "shinko")]),
]
TITLES = [
    ("担当", 35), ("課長", 18), ("主任", 15), ("部長", 11), ("係長", 10),
    ("取締役", 4), ("代表取締役社長", 3), ("執行役員", 2), ("マネージャー", 2),
]  # fmt: skip
DEPARTMENTS = ["情報システム部", "営業部", "総務部", "マーケティング部", "経営企画部", "製造部", "購買部"]
# Inhabitants in units of 10,000 (census of 2020), in the official order of the prefectures.
POPULATION = dict(
    zip(
        PREFECTURES,
        [
            522, 124, 121, 230, 96, 107, 183, 287, 193, 194, 734, 628, 1405, 924, 220, 103, 113, 77, 81, 205, 198, 363,
            754, 177, 141, 258, 884, 547, 132, 92, 55, 67, 189, 280, 134, 72, 95, 133, 69, 514, 81, 131, 174, 112, 107,
            159, 147,
        ],
        strict=True,
    )
)  # fmt: skip
MEDIUMS = [("search", 30), ("advertisement", 24), ("social", 14), ("referral", 12), ("direct", 12), ("email", 8)]
INSIDE_SALES = ["is-aoki", "is-baba", "is-chiba", "is-doi", "is-endo"]
FIELD_SALES = ["fs-fukuda", "fs-goda", "fs-hara", "fs-ide", "fs-joden", "fs-kubo"]
_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
BROWSERS = [
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME}",
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME} Edg/142.0.0.0",
    f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_CHROME}",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0",
]
PHONES = [
    f"{_IPHONE} Version/18.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
]
CRAWLERS = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
]
