"""Terms to start from, in English and Japanese. Written by us to be read by people; they are no legal advice.

``{publisher}`` stands for the publisher's name. Whoever uses one changes it as they like: what counts is the text
that is then agreed on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    name: str
    title: str
    title_ja: str
    kind: str
    """Of the offer that usually goes with it."""
    uses: tuple[str, ...]
    text: str
    text_ja: str
    rules: dict[str, Any] = field(default_factory=dict)
    """``licensing.domain.rules.Rules`` as JSON."""
    grant_days: int | None = None

    def filled(self, publisher: str) -> dict[str, Any]:
        """JSON-ready, for one publisher."""
        rules = {name: _filled(value, publisher) for name, value in self.rules.items()}
        return {
            "name": self.name,
            "title": self.title,
            "title_ja": self.title_ja,
            "kind": self.kind,
            "uses": list(self.uses),
            "text": _filled(self.text, publisher),
            "text_ja": _filled(self.text_ja, publisher),
            "rules": rules,
            "grant_days": self.grant_days,
        }


def _filled(value: Any, publisher: str) -> Any:
    return value.replace("{publisher}", publisher) if isinstance(value, str) else value


_OPEN = Template(
    name="open",
    title="Open: everybody may do everything, naming the author",
    title_ja="オープン: 作者を示せば誰でも自由に使える",
    kind="free",
    uses=("replay", "read", "modify", "derive", "redistribute", "resell", "train"),
    rules={"audience": "affiliates", "attribution": "{publisher}", "warranty": "none", "liability": "excluded"},
    text="""# Open terms

{publisher} lets you replay, read, change, build on, pass on and sell this experience, and train models with it.

1. **Name the author.** Wherever you pass it on or show it, say that it comes from {publisher}, and what you changed.
2. **No warranty.** It was proven in sandboxes, not on your machines. You decide where to run it.
3. **Liability.** {publisher} is liable only where the law does not allow this to be excluded.
""",
    text_ja="""# オープン利用条件

{publisher} は、この経験の再生、閲覧、変更、派生物の作成、再配布、販売、およびモデルの学習への利用を認めます。

1. **作者の表示。** 再配布または公開するときは、{publisher} によるものであることと、変更した点を示してください。
2. **無保証。** 確かめられたのはサンドボックスの中であり、あなたの環境ではありません。実行する場所はあなたが決めます。
3. **責任。** {publisher} は、法律上免責できない場合を除き、責任を負いません。
""",
)

_EVALUATION = Template(
    name="evaluation",
    title="Evaluation: try it for 30 days, not in production",
    title_ja="評価: 30日間、本番以外で試せる",
    kind="free",
    uses=("replay", "read"),
    grant_days=30,
    rules={
        "fields_of_use": ["evaluation outside production"],
        "is_confidential": True,
        "warranty": "none",
        "liability": "excluded",
    },
    text="""# Evaluation terms

{publisher} lets your organization replay and read this experience for 30 days to find out whether it suits you.

1. **Not in production.** Run it on test systems only.
2. **Keep it to yourselves.** Show it only to those of your people who evaluate it. Do not change, pass on or sell it,
   and do not train models with it.
3. **Afterwards** delete it, or take another license.
4. **No warranty.** It is given as it is.
5. **Liability.** {publisher} is liable only where the law does not allow this to be excluded.
""",
    text_ja="""# 評価用利用条件

{publisher} は、適しているかを確かめるため、あなたの組織がこの経験を30日間再生し、閲覧することを認めます。

1. **本番環境では使えません。** 試験用のシステムだけで実行してください。
2. **秘密の保持。** 評価にあたる組織内の人だけに見せてください。変更、再配布、販売、モデルの学習への利用はできません。
3. **期間が過ぎたら** 削除するか、別のライセンスを取得してください。
4. **無保証。** 現状のまま提供されます。
5. **責任。** {publisher} は、法律上免責できない場合を除き、責任を負いません。
""",
)

_COMMERCIAL = Template(
    name="commercial",
    title="Commercial: one organization, for its own work",
    title_ja="商用: 一つの組織が自らの業務に使える",
    kind="purchase",
    uses=("replay", "read", "modify"),
    rules={
        "fields_of_use": ["the licensee's own operations"],
        "is_confidential": True,
        "warranty": "does what its description says in the environments it was proven in; defects are mended, or the "
        "price is given back",
        "liability": "limited to what was paid in the last twelve months, as far as the law allows",
    },
    text="""# Commercial terms for one organization

For the agreed price, {publisher} lets your organization use this experience in its own operations.

1. **What you may do.** Your people and agents, as many as the offer says, may replay and read it, and change it for
   your own use.
2. **What you may not do.** Pass it on, sell it, offer it to others as a service, or train models with it.
3. **Confidentiality.** Show it only to those who need it for your work.
4. **Warranty.** In the environments it was proven in, it does what its description says. If it does not, tell us within
   30 days: {publisher} mends it, or gives the price back.
5. **Liability.** Except for intent, gross negligence and harm to persons, and where the law does not allow a limit,
   {publisher} is liable for no more than what you paid in the last twelve months.
6. **End.** When the license ends you stop replaying it. What it has done on your systems stays.
""",
    text_ja="""# 商用利用条件（一組織）

{publisher} は、合意した価格で、あなたの組織が自らの業務にこの経験を使うことを認めます。

1. **できること。** 提供に定める数までの人とエージェントが再生し、閲覧し、自らの利用のために変更できます。
2. **できないこと。** 再配布、販売、他者へのサービスとしての提供、モデルの学習への利用はできません。
3. **秘密の保持。** 業務に必要な人だけに見せてください。
4. **保証。** 確かめられた環境では、説明のとおりに動作します。
   そうでない場合、30日以内の連絡により {publisher} は修正するか代金を返します。
5. **責任。** 故意、重過失、人身損害の場合および法律上制限できない場合を除き、
   {publisher} の責任は直近12か月にお支払いいただいた額を上限とします。
6. **終了。** ライセンスが終了したら再生をやめてください。すでに行われた処理の結果はそのまま残ります。
""",
)

_INTERNAL = Template(
    name="internal",
    title="Internal: for the publishing organization only",
    title_ja="社内: 公開する組織の中だけで使える",
    kind="organization",
    uses=("replay", "read", "modify", "derive"),
    rules={"fields_of_use": ["internal operations"], "is_confidential": True},
    text="""# Internal terms of {publisher}

People and agents of {publisher} may replay, read, change and build on this experience for our own work.
It is confidential: it is not passed on, sold, or used to train models outside {publisher}.
Before you run it on production systems, ask whoever is responsible for them.
""",
    text_ja="""# {publisher} 社内利用条件

{publisher} の人とエージェントは、社内の業務のためにこの経験を再生し、閲覧し、変更し、派生物を作ることができます。
秘密として扱い、社外への配布、販売、社外でのモデルの学習への利用はできません。
本番システムで実行する前に、そのシステムの責任者に確認してください。
""",
)

TEMPLATES: Final = {template.name: template for template in (_OPEN, _EVALUATION, _COMMERCIAL, _INTERNAL)}
