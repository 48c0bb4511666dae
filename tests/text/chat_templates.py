"""Chat templates that use what models' templates use: tool calls, answers of tools, thoughts, and the rest of Jinja."""

TOOLS = """{%- set ns = namespace(system='', tail=messages | length - 1, called=false) %}
{%- for message in messages if message.role == 'system' %}
    {%- set ns.system = ns.system + ('\\n\\n' if not loop.first else '') + message.content %}
{%- endfor %}
{{- bos_token ~ ns.system }}
{%- if tools %}{{- '\\n# Tools\\n<tools>' }}
    {%- for tool in tools %}{{- '\\n' + (tool | tojson) }}{%- endfor %}
    {%- for tool in tools | map(attribute='function') %}
        {%- set words %}{{ tool.name }}({% for k, v in tool.parameters.properties | dictsort %}{{ k }}: {{ v.type }}
            {%- if not loop.last %}, {% endif %}{% endfor %}){% endset %}
        {{- '\\n' ~ words | trim }}
    {%- endfor %}
    {{- '\\n</tools>' }}
{%- endif %}
{%- for message in messages[::-1] %}
    {%- if message.role == 'user' and ns.tail == messages | length - 1 %}{%- set ns.tail = loop.revindex0 %}{%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role == 'assistant' and message.tool_calls is defined and message.tool_calls %}
        {{- '<|assistant|>' + (message.content or '') }}
        {%- for call in message.tool_calls %}
            {%- set call = call.function if call.function is defined else call %}
            {{- '\\n<tool_call>{"name": "' ~ call.name ~ '", "arguments": ' }}
            {{- call.arguments if call.arguments is string else call.arguments | tojson }}{{- '}</tool_call>' }}
            {%- set ns.called = true %}
        {%- endfor %}
    {%- elif message.role == 'assistant' %}
        {%- set content = message.content.split('</think>')[-1].lstrip('\\n') if '</think>' in message.content
            else message.content %}
        {{- '<|assistant|>' + content if loop.index0 > ns.tail else '<|assistant old|>' + content }}{{- eos_token }}
    {%- elif message.role == 'tool' %}
        {%- if loop.previtem is not defined or loop.previtem.role != 'tool' %}{{- '<|user|>' }}{%- endif %}
        {{- '\\n<tool_response>' ~ message.content ~ '</tool_response>' }}
        {%- if loop.last or loop.nextitem.role != 'tool' %}{{- '<|end|>' }}{%- endif %}
    {%- elif message.role == 'user' %}
        {%- if message.content is iterable and message.content is not string and message.content is not mapping %}
            {{- message.content | selectattr('type', 'equalto', 'text') | map(attribute='text') | join('\\n') }}
        {%- else %}{{- '<|user|>' ~ message.content }}{%- endif %}
    {%- elif message.role not in ['system', 'user', 'assistant', 'tool'] %}
        {{- raise_exception('Unknown role: ' ~ message.role) }}
    {%- endif %}
{%- endfor %}
{{- '<|assistant|>' if add_generation_prompt }}{{- ns.called }}"""

JINJA = """{% macro show(value, depth=0) %}{% if value is mapping %}{{ '{' }}{% for k, v in value.items() %}
{{ '  ' * depth }}{{ k }}={{ show(v, depth + 1) }}{% endfor %}{{ '}' }}{% else %}{{ value }}{% endif %}{% endmacro %}
{% macro wrap(tag) %}<{{ tag }}>{{ caller() }}</{{ tag }}>{% endmacro %}
{% for m in messages %}{{ loop.cycle('a', 'b') }}{{ loop.index }}/{{ loop.length }}{{ loop.revindex }}{{ loop.last }}
{% if loop.changed(m.role) %}changed{% endif %}
{% call wrap(m.role) %}{{ m.content }}{% endcall %}
{% if loop.index == 2 %}{% continue %}{% endif %}{{ m.content[1:4] ~ m.content[-1] ~ m.content[::-1] }}
{% else %}none{% endfor %}
{% for m in messages if m.role == 'nobody' %}{{ m }}{% else %}nobody{% endfor %}
{% for x in [{'n': 1, 'c': [{'n': 2, 'c': []}, {'n': 3, 'c': [{'n': 4, 'c': []}]}]}] recursive -%}
{{ loop.depth }}:{{ x.n }}{% if x.c %}[{{ loop(x.c) }}]{% endif %}
{%- endfor %}
{{ show(tools[0] if tools else {'a': {'b': 1}}) }}
{% filter upper | trim %}  some {{ messages[0].role }}  {% endfilter %}
{% set both = messages | map(attribute='role') | list + ['x'] %}{{ both | unique | sort | join('|') }}
{{ both[1:] }} {{ both | length }} {{ both | first }} {{ both | last }} {{ both | reverse | list }}
{{ both | tojson }}
{{ 'user' in both }} {{ 'a' not in 'bcd' }} {{ both == both[:] }} {{ 'abc' < 'abd' }} {{ 3 is in [1, 2, 3] }}
{{ '%05.2f|%-6s|%s' % (3.14159, 'ab', messages[0].role) }}
{{ '{:>8}|{x!r:<4}|{:{w}}'.format('a', 'b', x=1, w=6) }}
{{ 'x' | center(9) }}|{{ 'a\\nb' | indent(3) }}|{{ 'a-b-a'.replace('a', 'xy') }}|{{ 'aXa' | replace('a', '') }}
{{ '-'.join(['a', 'b']) }} {{ [1, 2, 3] | sum }} {{ 7 // 2 }} {{ 7 % 4 }} {{ 2 ** 10 }} {{ -3 | abs }}
{{ 2.5 | round }}
{{ [3, 1, 2] | sort | batch(2) | list }} {{ 'a b c' | wordcount }} {{ 'title me' | title }}
{{ 'é' | tojson(ensure_ascii=true) }}
{{ {'b': [1, {'c': none}], 'a': 'x'} | tojson(indent=2, sort_keys=true) }}
{{ {'b': 1} | tojson(separators=(',', ':')) }}
{{ messages | selectattr('role', 'eq', 'user') | map(attribute='content') | map('trim') | map('length') | join(',') }}
{{ messages | groupby('role') | map('first') | join }}
{{ messages | rejectattr('role', 'in', ['user']) | list | length }}
{{ '1,2'.split(',') | map('int') | sum }} {{ 'Abc'.upper().lower().title().startswith('A') }}
{{ '42' | int + 1 }} {{ none | default('d', true) }}
{{ dict(a=1, **{'b': 2}) }} {{ namespace(a=1).a }} {{ range(2, 8, 3) | list }} {{ range(5)[1:3] | list }}
{{ joiner(',')() }}
{{ messages[0].content | e }} {{ '<b>' | safe }} {{ '<i>' | escape ~ '<b>' }}
{{ undefined_thing is defined }} {{ 'a' if messages else 'b' }}
{{ messages[0].get('name', 'no name') }} {{ messages[0]['content'] | string | truncate(5, true) }}
{{ (1, 2) + (3,) }} {{ [0] * 3 }}"""

CALL = {
    "type": "function",
    "function": {"name": "find", "arguments": {"what": "Grüße <b>", "n": [1, 2.5, None]}},
}
CHATS = {
    "tool calls": [
        {"role": "system", "content": "Be terse."},
        {"role": "system", "content": "And kind."},
        {"role": "user", "content": "Find it."},
        {"role": "assistant", "content": None, "tool_calls": [CALL, CALL]},
        {"role": "tool", "content": "found: 日本"},
        {"role": "tool", "content": "{}"},
        {"role": "assistant", "content": "<think>hm</think>\n\nThere."},
        {"role": "user", "content": "Again?"},
        {"role": "assistant", "content": "<think>so</think>Here."},
    ],
    "parts": [
        {
            "role": "user",
            "content": [{"type": "text", "text": "one"}, {"type": "image"}, {"type": "text", "text": "2"}],
        }
    ],
    "unknown role": [{"role": "wizard", "content": "abra"}],
    "nothing": [],
}
