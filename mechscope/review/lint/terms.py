"""What a number can be besides a result: a table of terms, each group for one reason.

A pattern of `TERMS` matches the whole term, number and word ("RTX 3090", "95% interval", "1 means"). So a number
is spared for the words that it stands with, never for its value alone. Number words count as digits do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from mechscope.articles.markdown import COUNTED, NAME


def any_of(words: Iterable[str] | str) -> str:
    """A pattern for one of several words."""
    return "(?:" + "|".join(words.split() if isinstance(words, str) else words) + ")"


_NO_COUNT = rf"(?!\s+(?:[a-z-]+\s+)?(?:{COUNTED}|steps|completions|answers|checkpoints|updates|iterations|batches|characters|images|people)\b)"
_NO_RESULT = rf"(?![\d.-]*\d|\s*(?:%|percent|per\s+cent|±)|\s+(?:out\s+)?of\s+(?:the\s+|its\s+|our\s+|all\s+)?\d){_NO_COUNT}"
_END_OF_NUMBER = r"(?![\w%]|[.,]\d|\s+%)"
_SMALL = "(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|sixteen|twenty|thirty|fifty|hundred)"

# Dates
_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?)"
)
_YEAR = r"(?:1[89]|20)\d\d"
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
_STOP = r"(?=\s*(?:[.,;:)?!—–]|$))"
_CLOCK = r"(?:[01]?\d|2[0-3]):[0-5]\d"
_VENUE = any_of("ICLR ICML NeurIPS NIPS ACL EMNLP NAACL AAAI CVPR COLM BlackboxNLP TMLR")
_WORK = any_of(
    """paper release write-up article post version edition study survey work report talk thesis book blog preprint
    workshop conference toolkit model follow-up
    essay tutorial lecture thread review"""
)

_NAME = r"[A-Z][a-z]+(?:[A-Z][A-Za-z]*)?"
_IN_SENTENCE = r"(?=[A-Z])(?<=[A-Za-z,(]\s)(?<!\bon\s)(?<!\bfor\s)(?<!\bthan\s)"
"""Before a name inside a sentence, where a capital is one. "On Pile 3.1" is no name with its number."""
_METRIC = "(?i:accuracy|loss|perplexity|entropy|mean|median|scores?|precision|recall|faithfulness|completeness|correlation|cosine|similarity|error|rank|margin|share|ratio|rate|total)\\b"

# Software, hardware, models
_VERSION = (
    r"(?::\s?(?!0\.\d\d\b)|[ -])v?\d+(?:\.\d+)*[a-z]?\b(?:\.x\b)?"
    rf"(?:(?:\s*[,–-]\s*|\s(?:to|and|or|through)\s)\d+\.\d+\b)*{_NO_RESULT}"
)
_SOFTWARE = any_of(
    r"""HTML CSS Python Quarto Pandoc Typst PyTorch [Tt]orch [Nn]um[Pp]y [Ss]ci[Pp]y [Pp]andas [Tt]ransformers JAX
    TensorFlow TransformerLens SAELens [Nn][Nn]sight einops scikit-learn [Mm]atplotlib Altair Jupyter(?:Lab)? [Jj]upytext
    [Pp]apermill [Dd]ask CUDA cuDNN ROCm Debian Ubuntu Fedora macOS iOS Windows Linux [Kk]ernel Chrome Firefox Safari
    Vega(?:-Lite)? Node(?:\.js)? Java Rust Julia GCC clang CMake Docker [Gg]it TeX\s+Live [Vv]ersions? [Rr]elease v\. [Ss]chema"""
)
_STANDARD = any_of(
    r"""CC(?:[\s-]BY)?(?:[\s-](?:SA|NC|ND))* Apache CeCILL ODbL ISO(?:/IEC)?(?:\sC?D?IS)? Unicode Base CIE EU OpenAPI JSON\sSchema
    C\+\+ CSV W3C"""
)
_CHIP = (
    r"(?:A100|A10G?|A40|A6000|H100|H200|GH200|B[12]00|V100|P100|T4|L40S?|K80|M[1-5](?:\s(?:Pro|Max|Ultra))?)"
)
_MAKE = any_of(
    r"""RTX GTX GeForce Quadro T[Ii][Tt][Aa][Nn] Radeon RX Ryzen EPYC Xeon Core TPU Tesla Apple\sM Intel AMD NVIDIA Nvidia
    Raspberry\s+Pi Jetson Threadripper"""
)
_PART = (
    rf"{_MAKE}(?:[ -](?:A|Ti|Pro|E[357]|Gold|Silver|RTX|GTX|RX|GeForce|Ultra|i[3579]))*[ -]?v?\d+\w*"
    r"(?:[ -]\d{3,}\w*)?(?:\s(?:Ti|Super|Pro|Max|Ultra))?"
)
"""A part with its number, as "Ryzen 9 5950X"."""
_MACHINE = rf"(?:{_CHIP}|{_MAKE}|GPUs?|TPUs?|CPUs?|laptops?|MacBook|desktop|workstation|machine|server|card|node|computer|instance)"
_FAMILY = any_of(
    r"""GPT(?:-Neo|-J|-NeoX)? L[Ll]a[Mm][Aa] Gemma(?:[\s-]Scope)? Qwen Pythia Claude Gemini Mistral Mixtral Phi Falcon OLM[Oo] SmolLM
    TinyStories BERT OPT BLOOM DeepSeek Grok Yi StableLM MPT Cerebras-GPT PaLM Chinchilla Gopher Mamba RWKV T Nemotron
    Granite ViT CLIP Whisper Sonnet Opus Haiku"""
)
_SIZE = r"\d+(?:\.\d+)?[MBmbTK]"
_SIZES = rf"{_SIZE}(?:(?:\s*[,/]\s*|,?\s+(?:and|or)\s+){_SIZE})*"
_CAMEL = r"(?:[A-Z][a-z]+[A-Z][A-Za-z]*|[A-Z]{3,}-[A-Z]\b)"
"""A word with a capital inside, as AlphaFold: a name wherever it stands."""

_MEASURE = any_of(
    r"""AUROC AUC ROC AUPRC KL CE NLL MSE RMSE MAE ECE PPL FVU FVE LD DLA BLEU ROUGE MMLU MRR NDCG CI SD SE SEM IQR ANOVA TPR FPR IOI OV QK
    MLP MLPs SAE SAEs LLM LLMs GPU CPU LN RMS R2 F1 AP mAP CKA PCA SVD ICC IoU MCC ACC TPS FLOPs GELU MORF ONLY ALL AND THE OF WE IS"""
)
"""Words in capitals that a measured number may follow."""
_ACRONYM = rf"(?:(?!L\d|H\d|N\d|{_FAMILY}(?:\b|\d))[A-Z][A-Za-z]*[A-Z0-9][A-Za-z0-9]*(?:-[A-Z]+)*)"

# Places in a text
_NUMBER_OF_PLACE = r"(?:\(?\#?(?!0\.)\d+(?:\.\d+)*[a-z]?\)?|[IVX]+\b)"
_PLACES = any_of(
    r"""sections? sec[st]?\.? figures? figs?\.? equations? eqs?\.? tables? tabs?\.? append(?:ix|ices) app\. chapters? ch\. parts? pages? pp?\. lines?
    footnotes? endnotes? notes? theorems? thm\. lemmas? lem\. definitions? def\. propositions? prop\. corollar(?:y|ies) algorithms? alg\. listings?
    examples? ex\. panels? experiments? studies study volumes? vol\. nos?\. issues? questions? hypothes[ie]s box(?:es)? items? claims? exercises?
    problems? notebooks? cells? remarks? lectures? lessons? slides? episodes? rooms? points? articles? versions? rules? seasons? scenes? acts? verses?
    paragraphs? clauses? columns? rows? entry entries units? modules? tasks? options? variants? conditions? groups? objections? assumptions? principles?
    posts? buildings? class(?:es)? residues? chromosomes? exons? codons? trials? runs? folds? tickets? types? systems? tiers? games? districts? drafts? levels?"""
)
_TIMES = any_of("steps? days? weeks? rounds? phases? stages? sessions?")
_NO_PHRASE = "".join(
    rf"(?<!\b{word}\s)"
    for word in ("the", "this", "that", "these", "our", "each", "every", "all", "per", "one", "last")
)
"""Before a noun with its number there is no such word: "in this study 14 raters" is no study 14."""
_ONE_OR_LISTED = r"(?!(?!(?i:hypothesis))[A-Za-z]+s\s+\d+\b(?!\.\d|\s*(?:[,–&-]|to\b|and\b|or\b)))"
"""Nor is the noun a plural, unless more numbers follow: "in most runs 12 fail" is no run 12."""
_NO_TIME = "".join(
    rf"(?<!\b{word}\s)" for word in ("[Aa]t", "[Aa]fter", "[Bb]y", "[Uu]ntil", "[Bb]efore", "[Aa]round")
)
"""Nor before a time that is no result: what happens "at step 1200" was measured."""

_LINKING = any_of(
    """I A An The This That These Those We They It There Here Only About Around Over Under Just All Some Any No Not Another Each Every Both Most
    More Less Fewer Other First Last Next Exactly Roughly Nearly Almost Even Still Of In On For With Without Within At After Before By Until
    Since From To Through Between Across Among Against During Per If When While Where As But And Or So Then Thus Now Also Yet"""
)
_NAME_NOT_MEASURED = rf"(?=[A-Z])(?!{_MEASURE}\b|{_METRIC}|{_FAMILY}\b|(?i:{COUNTED}|{_TIMES}|{_PLACES})\b|{_LINKING}\b){_NAME}"
"""A capitalised word that is none that a measured number may follow."""

# Design
_KIND = any_of(
    r"""layer(?:ed)? parameter bit gram way shot class step epoch GPU core block dim(?:ensional)? sided tailed stage part column row
    hop order hot token point\s+(?:scale|Likert) level digit letter nearest year-old hidden threaded thread indexed based
    fold\s+(?:cross|CV|split) head(?=,) head\s+(?:attention|variant|version|block|network|model|transformer|layer|self-attention) norm pass phase choice word page panel tuple place
    term component off to-(?:one|many) size"""
)
_LEVEL = r"(?:0?\.05|0?\.01|0?\.001|0?\.005|0?\.1|5\s?%|1\s?%|0\.1\s?%|(?:five|one|5|1)\s+per\s?cent)"
_CONFIDENCE = r"(?:(?:9[059]|9[79]\.5|99\.9|68|80)\s?(?:%|percent|per\s+cent)|(?:ninety|ninety-five|ninety-nine)\s+per\s?cent)"
_OF_INTERVAL = any_of(
    r"intervals? confidence credib\w+ limits? bands? CIs? HDIs? bounds? region range bootstrap error\s+bars? uncertainty level coverage"
)
_QUANTILE = r"(?:2\.5|5|10|25|50|75|90|95|97\.5|99)(?:st|nd|rd|th|\s?%)?"

# Scales
_END = (
    r"(?:(?:90|180)(?:\s?°|\s+degrees)|[-−]?1(?:\.0+)?|0(?:\.0+)?|[-−]?0?\.5|100\s?%|50\s?%|0\s?%|zero|one)"
)
_MEANS = r"(?:means?|meaning|stands?\s+for|standing\s+for|denot\w+|correspond\w*\s+to|indicat\w+|signif\w+|would\s+(?:be|mean)|marks?|represents?)"
_EXTREME = (
    r"(?:(?:a|an|the|any|that|all|only|at|in\s+case\s+of|by)\s+){0,3}"
    + any_of(
        r"""guess\w* chance coin random\w* perfect\w* ideal identical certain\w* none nothing all no always never yes opposite
        orthogonal\w* best highest worst lowest largest smallest parallel unrelated uniform independen\w+ null maximal minimal full complete total impossib\w+ worst
        best\s+possible exact\w* equal same absen\w+ present wrong right correct incorrect true false off on
        disagreement agreement positive negative clean corrupted"""
    )
    + r"\b"
)
_RANGING = any_of(
    r"""rang(?:es?|ing) runs? goes rat(?:ed|ings?) scor(?:ed?|es) bounded lies? falls? values? var(?:y|ies) limited clipped rescaled scaled
    normali[sz]ed is are numbers? lie be"""
)
_MADE = any_of(
    r"""sum(?:s|med)? adds? normali[sz]ed? rescaled? scaled? integrates? clip(?:ped|s)? set initiali[sz]ed equals? tied fixed clamped padded
    mask(?:ed|s)? round(?:ed|s)? reset pinned"""
)

_LIST = r"\d[\d,]*\b(?:(?:,\s?|,?\s(?:and|or)\s)\d[\d,]*\b)*(?![.,]?\d|\s?%)"

_OF_SCALES = "ends of scales, and what they mean"

TERMS: dict[str, tuple[str, ...]] = {
    "software and file formats, with a version": (
        rf"\b{_SOFTWARE}{_VERSION}",
        r"\b(?i:uses?|used|using|requires?|needs?|wants?|installs?|pins?|format\s+is|built\s+with|tested\s+with|(?:rel(?:y|ies)|runs?|built|based|depends?)\s+on|written\s+in|upgraded?\s+to)\s+"
        rf"(?:the\s+|an?\s+)?(?!{_MEASURE}\b)[A-Za-z][\w.+-]*\s[1-9]\d?\.\d{{1,2}}\b{_NO_RESULT}(?=\s*[.,;)]|\s+(?:and|or|for|to|as|with)\b)",
        rf"\b[a-z]+[A-Z\d][A-Z\d]*[a-z]\w*\s\d+\.\d{{1,2}}\b{_NO_RESULT}",
        rf"{_IN_SENTENCE}(?!{_MEASURE}\b|{_METRIC}|{_FAMILY}\b){_NAME}\s[1-9]\d*\.\d{{1,2}}\b{_NO_RESULT}(?!\s*(?:±|×|\(|logits?\b))",
        rf"(?:^|[.!?]\s+)(?!{_MEASURE}\b|{_METRIC}){_NAME}\s[1-9]\d*\.\d{{1,2}}\s(?!and\b|to\b|or\b|on\b|in\b|for\b|at\b|by\b|of\b|with\b|points?\b)[a-z]+(?<=s)\s",
        r"\b\d+(?:\.\d+){2,}(?:[a-z]+\d*)?\b|(?<![\w.])\d+(?:\.\d+)*\.x\b",
        r"\b(?:[Vv]ersions?|[Rr]eleases?)\s(?:before|after|since|from|until|up\sto|older\sthan|newer\sthan)\s\d+(?:\.\d+)*\b",
        r"(?<![\w.])\d+\.\d+\s(?:release|version|branch|series|API|announcement)\b",
        r"\b[A-Za-z][\w-]*\s?(?:==|~=|>=|<=|≥)\s?\d+(?:\.\d+)+\b(?=\s*(?:[,;).]|and\b|or\b|$))",
    ),
    "standards and licences": (
        rf"\b(?!{_MEASURE}\b){_ACRONYM}[ -]v?[1-9]\d?\.\d{{1,2}}\b{_NO_RESULT}(?!\s*(?:±|×|nats|bits|ms\b|s\b|points))",
        rf"\b(?!{_MEASURE}\b|{_FAMILY}\s)[A-Z]{{3,}}[ -]\d+(?:[:/-]\d+)*\b(?!\.\d){_NO_RESULT}",
        rf"\b{_STANDARD}[ -]v?\d+(?:[.:/-]\d+)*(?:-Clause)?\b(?!\s*%)",
        r"(?:Licen[cs]e|Attribution|ShareAlike|NonCommercial)(?:,?\s+[Vv](?:ersion|\.))?\s+v?\d(?:\.\d)?\b(?!\s*%)",
        rf"\b[A-Za-z]+\+\+\d+\b|\b[A-Z][A-Z\d]+/v?\d+(?:\.\d+)?\b{_NO_RESULT}",
    ),
    "hardware": (
        rf"\b(?:{_PART}|{_MACHINE})\b[^.;\d]{{0,24}}\b\d+\s?[GTM]i?B\b",
        rf"(?<![\w.])\d+\s?[GT]i?B\b(?=\s+(?:of\s+)?(?:[a-z]+\s+)?(?:{_MACHINE}|RAM|VRAM|HBM\w*)\b)",
        rf"(?:\b(?:\d+|{_SMALL})(?:\s?[×x])?\s)?\b{_PART}\b(?!\s*%)",
        rf"(?:\b(?:\d+|{_SMALL})(?:\s?[×x])?\s?)?(?:\b|(?<=x))(?:NVIDIA\s|Nvidia\s)?{_CHIP}s?\b",
        rf"(?<![\w.])(?:\d+|(?i:{_SMALL}))(?:\s?[×x])?\s?(?:GPU|TPU|CPU|(?:CPU\s+|physical\s+)?core)s?\b",
    ),
    "models, with their sizes": (
        rf"\b(?!{_LINKING}\b|{_MEASURE}\b|{_METRIC})[A-Z][\w.-]*(?:\s(?:[A-Z]\+|[1-9](?:\.\d)?))?\s(?:\d+(?:\.\d+)?[MB]\b|(?:[a-z]+\s)?\({_SIZES}\)){_NO_RESULT}",
        rf"(?<!\b[Oo]n\s)(?<!\b[Ii]n\s)(?<!\b[Ff]or\s)\b{_CAMEL}\s[1-9](?:\.\d)?\b(?!\.\d|\s+of\b|\s*(?:%|percent)|\s+{COUNTED}\b)",
        r"\b[A-Za-z]+\d*-(?:[A-Z]|[A-Z]?[a-z]+)/\d+(?:@\d+(?:px)?)?(?!\w|\.\d|%)",
        rf"\b{_FAMILY}(?:-\d+|\s[1-9])(?:\.\d+)?[a-zA-Z]?\b(?:[ -]{_SIZE}\b)?(?!\.\d|\s+of\b){_NO_RESULT}",
        rf"\b(?:[Tt]he|[Aa]n?|[Oo]ur|[Ii]ts)\s+{_SIZE}(?=\s+(?!{COUNTED}\b)[a-z])",
        rf"(?<![\w.]){_SIZE}(?=(?:-parameters?)?[ -](?:\w+[ -])?(?:models?|transformers?|LMs?|LLMs?|checkpoints?|version|variant|one)\b)",
    ),
    "works, commits, and places on the net": (
        r"\b(?:arXiv|doi|DOI|ISBN|ISSN|PMID|hdl)[: ]\s?\S+|\b10\.\d{4,9}/\S+",
        r"(?<![\w.])\d+(?:-\d+){2,}X?\b(?!\.\d)|\b\d{4}-\d{3}[\dX]\b",
        r"(?<![\w./-])\d\w*(?=[\w/-]*[A-Za-z])(?:[-_/](?!(?:of|out|to|in|or|and|fold|point|per|percent|x)\b)\w+){2,}",
        r"(?<![\w.])\d{4}\.\d{5}(?:v\d+)?(?![\w.]*\d)",
        r"\b\w+@\d+\b",
        rf"\b(?i:projects?|grants?|awards?|contracts?|agreements?|accessions?|ids?|numbers?|nos?\.)(?:\s(?:no\.?|number|agreement))*\s\d{{4,}}\b(?!,\d){_NO_RESULT}",
        r"(?<![\w.])[1-9][A-Z][A-Z\d]{2}\b|\b[A-Z]{2,}:\d{4,}\b|(?<![\w.])\d+_\d+\b",
    ),
    "dates and times": (
        rf"\b\d\d?:\d\d:\d\d\b|(?<![\d:]){_CLOCK}(?=\s*(?:[ap]\.?m\b|UTC|GMT|CE?S?T|AoE|E[SD]?T|P[SD]?T|BST|h\b|o['’]clock))",
        rf"\b(?:[Aa]t|[Ff]rom|[Uu]ntil|[Ss]ince|[Bb]efore|[Aa]fter|[Bb]y|[Aa]round)\s+{_CLOCK}\b",
        rf"\b{_DAY}(?:(?:\s*[–-]\s*|\s+(?:to|and)\s+)\d{{1,2}})?\s+(?:of\s+)?{_MONTH}(?:,?\s+{_YEAR}\b)?",
        rf"\b{_MONTH}\s+{_DAY}\b(?:,?\s+{_YEAR}\b)?(?!\.\d|\s+of\b){_NO_RESULT}",
        rf"\b{_MONTH},?\s+(?:of\s+)?{_YEAR}\b",
        rf"\b{_YEAR}s\b|\({_YEAR}[a-z]?(?:[,;][^()]*)?\)|\b{_YEAR}\s*[–/-]\s*(?:{_YEAR}|\d\d)\b|\bet\s+al\.?,?\s+{_YEAR}[a-z]?\b",
        rf"\b(?:[Ii]n|[Uu]ntil|[Aa]fter|[Bb]efore|[Bb]y|[Ff]rom|[Oo]f|[Tt]o|[Ss]pring|[Ss]ummer|[Aa]utumn|[Ff]all|[Ww]inter|Q[1-4])\s+(?:early\s+|late\s+|mid-)?{_YEAR}\b(?:{_STOP}|(?=\s+(?:is|was|ha[sd]|that|which|who)\b))",
        rf"(?:\b(?:[Ss]ince|[Aa]round|[Dd]uring|[Aa]s\s+of|[Cc]opyright|[Cc]irca|ca\.|[Yy]ear|{_VENUE}),?|©)\s+(?:early\s+|late\s+|mid-|about\s+)?{_YEAR}\b{_NO_RESULT}",
        r"\b(?:UTC|GMT)\s?[+−-]\s?\d+\b",
        rf"\b(?:[Bb]etween|[Ff]rom)\s+{_YEAR}\s+(?:and|to)\s+{_YEAR}\b{_NO_RESULT}",
        rf"\b(?:[Ee]arly|[Ll]ate|[Mm]id)[\s-]+(?:in\s+)?{_YEAR}\b{_NO_COUNT}",
        rf"\b(?:[Ii]n|[Bb]y|[Uu]ntil|[Ff]rom|[Aa]fter|[Bb]efore|[Ss]pring|[Ss]ummer|[Aa]utumn|[Ww]inter)\s+(?:early\s+|late\s+|mid-)?{_YEAR}\b(?:(?:,|,?\s(?:and|or))\s{_YEAR}\b)*(?!\s+of\b){_NO_RESULT}",
        rf"\b(?:[Aa]|[Tt]he)\s+{_YEAR}\s+(?=[A-Z])",
        rf"\b{_YEAR}(?=\s+{_WORK}\b|['’]s\b)",
        rf"\b{_NAME}(?:\s+(?:and|&)\s+{_NAME})?,\s+{_YEAR}[a-z]?\b",
        r"\b\d{1,2}(?:st|nd|rd|th)[ -]century\b|(?<![a-z\d])['’]\d\d\b|\b(?:the|and|early|late|mid)[\s-]['’]?\d0s\b",
        r"\b\d\d?[./]\d\d?[./](?:19|20)\d\d\b|\b(?:0?[1-9]|1[0-2])/20\d\d\b",
    ),
    "places in this text or in another": (
        rf"(?:\b{_NO_PHRASE}{_ONE_OR_LISTED}(?i:{_PLACES})\s+|§{{1,2}}\s?){_NUMBER_OF_PLACE}(?:(?:\s*(?:,|–|--?|&|to\b|and\b|or\b)\s*)+{_NUMBER_OF_PLACE})*{_NO_RESULT}",
        rf"\b{_NO_PHRASE}{_NO_TIME}(?i:{_TIMES})\s+\d\d?(?:\s?[–/-]\s?\d\d?)?\b(?![.,:]\d){_NO_RESULT}",
        rf"^{_NAME_NOT_MEASURED}\s\d{{1,2}}(?=:\s)",
        rf"(?<={NAME}):\d[\d,]*\b",
        rf"\b(?i:{_TIMES}|minute|hour)\s+\d\d?\s+of\s+(?:the|this|that|our|my)\b",
        rf"\b(?i:{_PLACES}|{_TIMES})\s+\d\d?\s+of\s+\d\d?\b{_NO_RESULT}",
        rf"\b(?!points?\s)(?i:(?:{_PLACES}|{_TIMES}|square)\s+{_SMALL})\b{_NO_COUNT}",
        r"(?<!\w)#\d+\b",
        r"\b(?i:by|with|in|from|combining|see|using|into|and|to|of|than)\s+\(\d{1,2}\)",
    ),
    "kinds of models, tests and summaries": (
        rf"(?<![\w.])(?:\d[\d,]*|{_SMALL}|zero)(?:-?\s?(?:to|or|and)\s(?:\d+|{_SMALL}))?[-‑–]{_KIND}s?\b(?!\s+(?:drop|gain|rise|increase|fall)\b)",
        r"\b[1234][- ]?[DT]\b|\b(?:float|int|uint|bfloat|fp|bf)[ -]?\d+\b|\b\d{1,3}\s?-?bits?\b(?=\s+(?:integers?|floats?|weights?|precision|quanti\w+))|\b(?i:quanti\w+|stored|kept)\s(?:to|at|in|with)\s\d{1,2}[ -]bits?\b",
        rf"\b(?:central|middle|inner)\s+{_CONFIDENCE}",
        rf"(?<![\w.])(?:\d\d\s?%?(?:,\s|\s?/\s?|\s+and\s+))?{_CONFIDENCE}-?\s*(?:[a-z-]+\s+){{0,2}}{_OF_INTERVAL}\b",
        rf"\b{_QUANTILE}(?:,?\s+(?:and|to)\s+(?:the\s+)?{_QUANTILE})?\s+(?:percentiles?|quantiles?)\b(?<!at\s)",
        r"\b[Tt]op(?:-|\s)(?:\d+|one|five|ten)\b(?=\s+(?:accuracy|error|predictions?|list|lists|entries|sampling)\b|\s*[.,;])|\b[Tt]op-\d+\b",
        r"\b(?:\d+|[Tt]wo|[Tt]hree)-[a-z]+\s+(?:problem|puzzle|game|rule|task|test|tree|graph)s?\b",
        rf"(?<![\w.])\d+(?:\s?[×x]\s?\d+)+(?![\w%^]|\.\d|\s?[×x=]){_NO_RESULT}",
        r"(?<![\w./])50/50(?![\w/])(?=\s+[a-z])",
        r"\b(?i:precision|recall|hits|ndcg|pass)\s?(?:@|at)\s?\d+\b(?!\.\d|%)|\b(?:simple|two-thirds)\s+majority\b",
        rf"\b(?:[Ss]eeds?|random_state)\s*(?:=|is|:)?\s*\d+\b{_NO_RESULT}",
    ),
    "levels of significance": (
        rf"\b{_LEVEL}[\s-]+(?:\w+\s+)?level\b",
        rf"(?:\b(?:alpha|significance\s+level|level\s+of\s+significance|level)\s+(?:of|is|was|=|at)|α\s*(?:=|is|was)|α\s+of)\s*{_LEVEL}(?![\d.]*\d)",
    ),
    _OF_SCALES: (
        rf"(?<![\w.]){_END}\s+{_MEANS}\s+(?!\d)\w+",
        rf"(?:^|[(,;]|\b(?:and|or|is|[Ww]here|to|of|by|from|with))\s*(?<![\w.])[-−]?\d+(?:\s?°|\s+degrees,?)?\s+{_MEANS}\s+(?!\d)[\"“]?\w+",
        rf"(?<![\w.]){_END}\s+(?:for|is|are|being|under|if|when|where|at|=)\s+{_EXTREME}",
        rf"(?<![\w.]){_END}\s+(?:perfect|chance|random)\b",
        rf"(?<![\w.])(?:{_END}|(?:one|a)\s+half)\s+(?:is|are)\s+what\s+{_EXTREME}",
        rf"(?:[,;]|\b(?:and|or))\s+{_END}\s+{_EXTREME}",
        rf"\b(?i:{_EXTREME})\s+(?:\w+\s+){{0,2}}(?:would\s+)?(?:be|is|are|scores?|gets?|gives?|has|have|reach(?:es)?|equals?)\s+(?:an?\s+\w+\s+of\s+)?{_END}{_END_OF_NUMBER}",
        rf"\b(?:perfect|useless|random|ideal|constant)\s+one\s+{_END}{_END_OF_NUMBER}|\b(?:means?|an?\s+[a-z]+\s+one)\s+[01]{_END_OF_NUMBER}{_NO_COUNT}",
        r"(?<![\w.])[A-Za-mo-zα-ω]\s*=\s*[-−]?[01]\b(?![.,]\d|\s*%)|\bn\s*=\s*1\b(?![.,]\d)",
        rf"(?<![\w.])[-−]?\d+\s*(?:=|\()\s*{_EXTREME}\)?|(?<![\w.])\d\s?=\s?[a-z]{{3,}}\b",
        rf"\b[Ww]here\s+{_END}\s+(?:is|are|means)\b",
        rf"(?<![\w.])[-−]?[01]\s+(?:if|for|when|where|whenever)\s[^.\d]{{2,60}}(?:\band|,|\bor)\s+[-−+]?[012](?:\s+(?:otherwise|if|else|for|when))?{_END_OF_NUMBER}",
        r"(?:^|[(,;]|\b(?:so|and|where))\s*[01]\sis\s(?:the|an?)\s|\bif\s\w+\sis\s[01]\b(?![.,]\d)",
        r"\b(?:[Aa]|[Oo]ne|1)\s(?:nat|bit|byte|radian)\s(?:is|equals|=|≈)\s(?:about\s|roughly\s)?[\d.]+\s",
        r"\b[Aa]n?\s+(?:[\w-]+\s+){1,2}of\s+[01]\s+(?:can|would|could|may|must|should|[a-z]+s)\b",
        r"\bis\s+(?:[01]|zero|one)\s+(?:exactly\s+)?(?:when|if|whenever|unless|where)\b",
        rf"\b(?:\d+|{_SMALL})\s(?:\w+\s){{1,3}}by\s(?:construction|design|definition)\b",
        r"(?<![\w.])[-−]?\d{1,2}\s+(?:is|means|=)\s*[\"“]|(?<![\w.])(?:100|10|[-−]?\d)\s\([\"“][^()]*\)",
        r"\b(?i:cod|encod|label|mark|count|treat|record|scor)\w*\b[^.\d]{1,40}\bas\s+[-−]?[01]\b(?![.,]\d)(?:[^.\d]{1,40}\bas\s+[-−]?[01]\b(?![.,]\d))?",
        rf"^If\s(?:all|every|each|no|none|nothing|only)\b[^.]*?\bis\s+(?:[01]|zero|one)\b{_STOP}",
        r"\b[Ss]cales?\s+(?:(?:of|from|between|runs?|goes|running|going|that)\s+)+[-−]?\d+\s*(?:to|and|–|through)\s*[-−+]?\d+",
        r"(?<![\w.])\d+\s?(?:–|-|to)\s?\d+\s+(?:(?:Likert|rating|point)\s+)?scale\b",
        rf"\b(?i:{_RANGING})\s+(?:always\s+|only\s+|by\s+\w+\s+)?(?:to\s+|in\s+|lie\s+)?(?:from|between|within|to|in)\s+(?:the\s+(?:range|interval)\s+)?"
        rf"\[?[-−]?[01](?:\s*%)?(?:\s*\([^()\d]*\))?\s*(?:to|and|–|,)\s*[-−+]?(?:1|3|4|5|7|9|10|100)(?:\s?%|\s+per\s?cent)?\]?{_END_OF_NUMBER}{_NO_COUNT}",
        rf"\b(?:between|from)\s+[-−]?[01]\s+(?:and|to)\s+[-−+]?[01]{_END_OF_NUMBER}{_NO_COUNT}",
        rf"(?<![\w.,])[-−]?[01](?:\s+(?:and|or)\s+|/)[-−+]?[01]{_END_OF_NUMBER}(?!\.\d){_NO_COUNT}",
        r"\[[-−]?[01],\s*[-−+]?1\]|\{[-−]?[01],\s*[-−+]?1\}",
        rf"\b(?i:{_MADE})(?:\s+[a-z]+){{0,4}}?\s+(?:to|at)\s+(?:exactly\s+)?(?:{_END}|unity){_END_OF_NUMBER}{_NO_COUNT}(?!\s+of\b)",
        rf"\b(?i:bounded|capped|limited)\s+(?:from\s+)?(?:above\s+|below\s+)?(?:by|at)\s+{_END}{_END_OF_NUMBER}{_NO_COUNT}",
        rf"\b(?i:expected|expectation|nominal|default|theoretical)\s+(?:\w+\s+)?(?:is|of|equals)\s+{_END}{_END_OF_NUMBER}{_NO_COUNT}",
        r"\b(?i:orthogonal\w*|perpendicular|independent)\b[^.\d]{0,40}?\b90(?:\s?°|\s+degrees\b)|\b90(?:\s?°|\s+degrees\b)[^.\d]{0,40}\borthogonal",
        rf"\b[Cc]osine\s+(?:\w+\s+)?of\s+{_END}\s+(?:is|{_MEANS})\s+an?\s+angle\s+of\s+\d+(?:\s?°|\s+degrees\b)",
        rf"\bwould\s+(?:be|equal|give)\s+{_END}(?:{_STOP}|\s+(?:if|for|under|when|by|were)\b)",
        r"\b(?i:rotat\w+|turn\w*|tilt\w*)\s+(?:\w+\s+)?by\s+(?:30|45|60|90|120|180|270|360)(?:\s?°|\s+degrees\b)",
        r"\b(?i:coins?|guess\w*|chance|monkey)\s+(?:\w+\s+)?would\b[^.\d]{0,40}?\b(?:half(?:\s+(?:of|the))?|50\s?%|50\s+per\s?cent)(?!\w)",
        rf"\b(?i:mean|variances?|norms?|lengths?|deviation|weight|slope|temperature|dose)\s+(?:of\s+|is\s+|are\s+)?(?:0|1|zero|one)(?:{_STOP}|\s+(?:unless|for|with|is\s+the)\b)|\b(?i:mean)\s+(?:of\s+)?(?:0|zero)\s+and\b|\b(?:0|zero)\s+mean\b",
        r"\b(?i:count(?:ed|ing|s)?|start(?:s|ing)?|number(?:ed)?|index(?:ed)?|begin(?:s|ning)?)\s+(?:\w+\s+)?(?:from|at|with)\s+(?:0|1|zero|one)\b(?![.,]\d)",
        r"\b[Bb]y\s+(?:definition|construction)[^.\d]{0,50}?\s[-−]?[01]\b(?![.,]\d)|(?<![\w.])[-−]?[01]\s+by\s+(?:definition|construction)\b",
        rf"\b(?:at\s+most|at\s+least|up\s+to|never\s+(?:below|above|exceeds))\s+[-−]?[01]{_END_OF_NUMBER}{_NO_COUNT}{_STOP}",
        r"\b[Ff]rom\s+[-−]?\d+\s*\([^()\d]+\)\s*(?:to|–)\s*[-−+]?\d+\s*\([^()\d]+\)",
        rf"\b(?:[Mm]aximum|[Mm]inimum|[Cc]hance(?:\s+level)?|[Ee]nds?|[Cc]eiling|[Ff]loor)\s+(?:is|are|of|at)\s+{_END}(?:\s+and\s+{_END})?{_END_OF_NUMBER}{_NO_COUNT}",
    ),
    "symbols of a formula": (
        rf"\b(?:mod|modulo)\s+\d+\b(?![.,]\d)|\bbase \d\d?\b(?![.,]?\d){_NO_COUNT}|\b1:1\b",
        rf"\b(?i:the|a|this|that)\s+(?:number|digit|numeral|integer|year|word)\s+(?:\d+|(?i:{_SMALL}|[a-z]+ty)(?:-{_SMALL})?)\b(?![.,]\d){_NO_RESULT}",
        r"\b(?:add|subtract|multiply|divide)s?\s+\d+\s+(?:and|to|from|by|with)\s+\d+\b(?![.,]\d|\s?%)",
        r"\bnumbered\s+(?:from\s+)?\d+\s*(?:to|–|and|through)\s*\d+\b",
        r"\b(?:label|mask|target|indicator|flag|entry)s?\s+(?:is|are)\s+[01]\s+(?:if|when|for|where|unless)\b",
        rf"\b(?i:numbers|digits|numerals|years|dates|integers|primes|words|tokens|strings|inputs|sums)\s+(?:such\s+as|like|e\.g\.),?\s+{_LIST}",
        r"\b(?i:numbers|digits|integers|years?|dates)(?:\stokens?)?\s(?:from\s|between\s)?\d+\s?(?:to|and|–|-|through)\s?\d+\b(?![.,]\d|\s?%)",
        rf"\b(?i:sequence|series|progression)\s+(?=\d+,\s\d+,){_LIST}",
        rf"\b(?i:{_SMALL}\s(?:plus|minus|times)\s{_SMALL})\b{_NO_COUNT}",
        rf"(?<![\w.,])\d+\s(?:[+−*/×·-]|plus|minus|times|divided\s+by)\s\d+(?:\s(?:=|is|equals|makes)\s\d+)?(?![\w%]|[.,]\d|\s?[%^±]){_NO_COUNT}",
        r"(?<![^\W\d_])(?:[A-Za-z]|\))\s?[−+-]\s?[12]\b(?![.,]?\d)|[-−]?\b[12]\s?/\s?\(?(?=[A-Za-z√])",
    ),
    "what is counted through": (
        r"(?<![\d.,:])0\d+\b(?![.,:]\d|\s*%)|\b[A-Z][a-z]+\s\d+[a-d]\b",
        r"\b(?:0th|[Zz]eroth)\b",
        r"\b(?:[Pp]osition|[Ii]ndex|[Tt]oken)\s+(?:0|zero)\b(?![.,]\d)",
        rf"(?<!\bat\s)(?<!\bin\s)(?<!\bis\s)(?<!\bfrom\s)\b(?i:layer|block|head|MLP)s?\s+(?:[01]|zero)\b(?:\s*(?:,|and|to|–|or)\s*(?:(?:layer|block)\s+)?\d+\b)*(?![.,]\d){_NO_RESULT}",
        r"(?:(?<=[a-z]\s)|(?<=\d\s))\((?:layer|block)\s\d+,?\s(?:and\s)?(?:head|neuron|latent|feature|width)\s\d+k?\)",
    ),
    "words of method that hold a number": (
        r"\b(?:[Zz]ero|[Uu]nit)[\s-](?:ablat\w+|mean|variance|norm|vector|matrix|padding|order|sum|shot|point|knowledge|baseline|init\w*|gradients?)\b",
        r"\b(?:[Ff]irst|[Ss]econd|[Oo]ther|[Uu]pper|[Ll]ower|[Ee]ach|[Ee]ither|[Tt]est|[Tt]raining|[Hh]eld-out)\s+half\b|\b[Hh]alf-?(?:precision|life|space|plane|width|way)\b",
        rf"\b(?:[Ff]irst|[Ll]ast|[Nn]ext|[Tt]op|[Ll]eading)\s+{_SMALL}\s+(?:principal\s+(?:components|axes|directions)|tokens|words|sentences|positions|characters)\b",
    ),
    "sayings": (
        r"\b(?:[Ss]econd|another)\b[^.\d]{0,60}?\ba\s+third\b",
        rf"\b(?i:sketch|drawing|diagram|schematic|cartoon)\s(?:of|with)\s(?:\w+\s)?{_SMALL}\s[a-z]+s\b",
        r"\b(?:a\s+)?(?:thousand|million|hundred)[\s-](?:thanks|words|cuts|other\s+\w+|apologies|ways|reasons|miles|dollar\w*|things)\b|\bone[\s-]in[\s-]a[\s-](?:million|thousand)\b(?=\s*[.,;]|\s+chance)",
        r"\b(?:a\s+|one\s+)?(?:hundred\s+per\s?cent|100\s?%)\s+(?:sure|certain|clear|safe)\b",
        r"\b(?:the\s+)?one\s+(?:hand|thing|point|day|by\s+one|way\s+or\s+(?:another|the\s+other)|more\s+time)\b|\b[Ss]econd\s+to\s+none\b|\b[Zz]ero(?:ed|es|ing)?\s+in\b|\bground\s+zero\b|\b[Dd]ay\s+one\b",
        r"\b[Ss]ix\s+of\s+one\b.{0,30}\bhalf\s+a\s+dozen\b|\bsixes\s+and\s+sevens\b|\b[Tt]wo\s+(?:heads\s+are\s+better|birds|cents|wrongs|by\s+two|and\s+two\s+together)\b|\b[Ii]n\s+two\s+(?:minds|words)\b|\btwo\s+steps\s+forward\b|\b[Tt]akes\s+two\b(?=\s*[.,;]|\s+to\b)",
        r"\bI(?:['’]?[md]|\s+am|\s+put|\s+give|\s+assign|\s+would)\s[^.\d]{0,12}?\d\d?\s?(?:%|per\s?cent)|\b(?:[Ss]tatus:|[Mm]y\s+(?:credence|confidence|guess|probability))(?!\w)[^.\d]{0,40}?\d\d?(?:\s?[–-]\s?\d\d?)?\s?(?:%|per\s?cent)",
        r"\b[Rr]eading\s+time\W+(?:\w+\s+)?\d+\s+min\w*|\b\d+[- ]min(?:ute)?s?\s+read\b|\b80/20\s+(?:rule|principle)\b",
        r"\b\d[\d,.]*\s?(?:(?:million|billion)\s+)?(?:°[CF]\b|fps\b|[kMG]?Hz\b|[kM]bit/s\b|dpi\b|km\b|m/s\b|m(?:et(?:re|er)s)?\s+(?:tall|high|long|deep)\b|miles\b|inhabitants\b)",
        rf"\b(?i:\d+|{_SMALL}|twenty-six)\s+(?:letters\s+of\s+the\s+alphabet|days\s+(?:of|in)\s+(?:the|a)\s+week|months\s+(?:of|in)\s+(?:the|a)\s+year|degrees\s+in\s+a\s+circle|(?:years|decades)\s+ago)\b",
        r"\bcloud\s+nine\b|\b(?:nine|seven)\s+lives\b|\ball\s+fours\b|\bsaves\s+nine\b|\b[Nn]umber\s+(?:one|two)\b|\beleventh\s+hour\b|\b20/20(?=\s+(?:vision|hindsight))|\bis\s+20/20\b|\b24/7\b|\b(?:[Tt]wenty|20)\s+questions\b|\b(?:[Oo]ne|[Oo]nce)\s+or\s+(?:two|twice)\b",
        r"\b[Hh]alf\s+(?:the\s+(?:battle|story|fun|point|truth|job|world)|a\s+mind|true|right|wrong|full|empty|done|art|serious)\b|\b[Tt]h(?:ink|ought)\s+twice\b|\b\w+\s+o['’]clock\b|\bin(?:to)?\s+two\b(?=\s*[.,;:]|\s+(?:and|by|at)\b)",
        r"\b(?:aim|reason|goal|purpose|answer|contribution|problem|motivation|issue|idea|lesson|question)s?\s+(?:\w+\s+){0,4}?(?:is|are|was|were)\s+(?:two|three)-?fold\b",
        r"\b[Tt]en\s+to\s+one\b|\b(?i:one|two|three|four|five)\s+of\s+(?:us|you|the\s+authors)\b|\bpowers?\s+of\s+(?:two|ten)\b|\bBig\s+Five\b|\bfour\s+(?:corners|letters)\b|\bfifty[- ]fifty\b|\b[Tt]ype[- ](?:[12]|II?)\s+errors?\b|\b[Tt]hree\s+cheers\b|\b[Cc]atch[- ]22\b",
    ),
    "names that hold a number": (
        rf"(?:^|(?<=[.!?;]\s)){_NAME_NOT_MEASURED}(?<!ly)(?<!ing)(?<!ed)\s\d+\b(?=\s(?:is|was|has|does|did|can|will|(?:and|or)\s(?:[A-Za-z]\w*\s[A-Za-z]|[A-Z][a-z]+\s\d)|[a-z]+s\s(?:the|an?|its?|our|their|this|that|these)\b))(?![.,]\d)",
        r"(?<![\w./])[A-Za-z]+[-_]?\d[\w-]*(?:/\w[\w-]*)+",
        r"(?<![\w.])\d+\.?(?!e\d+\b)[A-Za-z]+/?\d+\w*|\b[A-Z]{2,}\s\d{2,}[a-z]\b",
        rf"{_IN_SENTENCE}(?<!\b[Ii]n\s)(?!{_MONTH}){_NAME_NOT_MEASURED}\s\d+\b(?![.,:]\d|\s+of\b){_NO_RESULT}(?!\s+[a-z]+[^s\W]s\b)",
        r"(?<=[a-z]\s)\d[\d,]*\s+[A-Z][a-z]+(?<=s)(?![\w-])",
    ),
}  # fmt: skip
"""Why a number is spared, and the terms in which it then stands."""

_DECIDED = re.compile(
    r"\b(?:beforehand|in\s+advance|a\s+priori|pre-?regist\w+|ahead\s+of\s+(?:time|seeing)|by\s+convention|conventional(?:ly)?|laid\s+down|protocol\s+(?:fixes|fixed|sets?|says?)|prior\s+agreement"
    r"|(?:fixed|set|stated|written|agreed)\s+in\s+(?:the|our)\s+(?:analysis\s+)?plan"
    r"|(?:was|were|had\s+been|is|are|we)\s+(?:fixed|set|chose\w*|decided|agreed)"
    r"|(?:fixed|set|chosen|decided|written\s+down|stated|agreed)\s+(?:on\s+)?before)\b",
    re.IGNORECASE,
)
_BOUND = re.compile(
    r"(?:\b(?:below|above|under|over|than|least|most|exceed(?:s|ed|ing)?|level|threshold|criterion|cut-?off|bar|alpha|discovery\s+rate|margin|of\s+interest),?"
    rf"(?:\s+(?:of|at|to|is|was|a|an|the))*|[<>≤≥=]|(?:in\s+advance|beforehand)\s+(?:at|to))\s+(?P<number>[-−]?\d*\.?\d+(?:\s?%|\s+per\s?cent)?)(?:(?=\s(?:nats?|bits?|points?)\b)|{_NO_COUNT})",
    re.IGNORECASE,
)


def decided(sentence: str) -> bool:
    """Whether a sentence says that something was fixed before it was measured."""
    return bool(_DECIDED.search(sentence))


def bounds(sentence: str) -> list[tuple[int, int]]:
    """Where the bounds stand that a sentence says were fixed ("below 0.05"); nothing else in it is spared."""
    return [match.span("number") for match in _BOUND.finditer(sentence)] if decided(sentence) else []


_IMAGINED = re.compile(
    r"(?:^|[.:;(]\s*)(?:take|consider|suppose|imagine|picture|say|let|write|e\.g\.|for\s+(?:example|instance))\b|\bonly\s+an\s+example\b"
    r"|\bwe\s+(?:mean|write|denote|call|say\s+that)\b|\bby\s+(?:design|construction)\b|\bwe\s+(?:number|count|index)\s+(?:\w+\s+){0,2}(?:from|by)\b|\bstands\s+for\b|\b(?:is|are)\s+called\b|\b(?:denotes?|denoted|notation|shorthand|numbered|written\s(?!by|to|into|in))\b|\bcounted\s+from\b",
    re.IGNORECASE,
)
_PLACE_IN_MODEL = re.compile(
    r"\b(?:layer|block|head|neuron|latent|feature|position|token)s?\s+\d+(?:\s?(?:to|and|or|–|-|,)\s?\d+)*\b(?!\.\d|\s?%)",
    re.IGNORECASE,
)


def imagined(sentence: str) -> list[tuple[int, int]]:
    """Where places in a model stand that a sentence only imagines or defines ("Suppose head 3 looks at verbs")."""
    if not _IMAGINED.search(sentence):
        return []
    return [match.span() for match in _PLACE_IN_MODEL.finditer(sentence)]


_GLOSSED = re.compile(r"(?<![\w.,])(?P<step>[-−]?\d|10)\s\([^()\d]+\)")
_RATED = re.compile(
    r"\b(?:scale|rat(?:ed?|ings?)|graded?|scored?|score\s+runs|judged?|answered|annotat\w+|coded)\b"
)


def glossed(sentence: str) -> list[tuple[int, int]]:
    """Where the steps of a scale stand, as in "rated 0 (wrong), 1 (unclear) or 2 (right)"."""
    steps = list(_GLOSSED.finditer(sentence))
    starts_low = any(step["step"].lstrip("-−") in ("0", "1") for step in steps)
    if len(steps) < 2 or not starts_low or not _RATED.search(sentence):
        return []
    return [step.span() for step in steps]


_BARE_END = re.compile(rf"(?<![\w.,/]){_END}{_END_OF_NUMBER}{_NO_RESULT}")
_SCALES = [re.compile(pattern) for pattern in TERMS[_OF_SCALES]]
_NOT_FOR_OTHERS = frozenset({"zero", "one"})


def ends(sentence: str) -> list[tuple[int, int]]:
    """Where a sentence names ends of a scale, if it says of one of them what it means.

    "It is 1 for a perfect match and 0 for the mean": the second is an end because the first is.
    """
    if not any(re.search(r"[01]", match.group()) for scale in _SCALES for match in scale.finditer(sentence)):
        return []
    return [
        match.span() for match in _BARE_END.finditer(sentence) if match.group().lower() not in _NOT_FOR_OTHERS
    ]
