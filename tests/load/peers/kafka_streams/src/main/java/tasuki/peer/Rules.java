package tasuki.peer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import java.io.File;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** What scores of the playbook: rules and actions found by event name, and what the lead is. */
final class Rules {
    static final long DAY_MS = 24 * 60 * 60 * 1000L;
    /** Asia/Tokyo, which has no summer time. */
    private static final long ZONE_MS = 9 * 60 * 60 * 1000L;
    private static final double MICRO = 1_000_000;
    private static final long NEVER = Long.MAX_VALUE / 4;

    /** At most `micro`, up or down, in a week or ever; `place` is its number among all. */
    record Cap(int place, long micro, boolean weekly) {}

    /** `micro` each time, or times the number in the property `source`; `ways` are its caps over several days, in turn. */
    record Rule(int number, String id, long micro, String source, long cap, List<Cap> ways, long expiresMs) {
        long worth(Map<String, Object> properties) {
            return source == null ? micro : micro * ((Number) properties.get(source)).longValue();
        }
    }

    record AttributeRule(String id, int field, long micro, double atLeast, double under, List<String> parts) {
        boolean holds(Object value) {
            if (value == null) {
                return false;
            }
            if (parts.isEmpty()) {
                double number = ((Number) value).doubleValue();
                return number >= atLeast && number < under;
            }
            String text = value.toString().toLowerCase(Locale.ROOT);
            return parts.stream().anyMatch(text::contains);
        }
    }

    /** What an event's name and one of its properties lead to. */
    record Match<T>(String property, String value, T entry) {
        boolean holds(Map<String, Object> properties) {
            return properties != null && value.equals(properties.get(property));
        }
    }

    private final Map<String, List<Match<Rule>>> ruleMatches = new HashMap<>();
    private final Map<String, List<Match<Integer>>> levelMatches = new HashMap<>();
    final List<Rule> all = new ArrayList<>();
    final List<Cap> caps = new ArrayList<>();
    final List<AttributeRule> attribute = new ArrayList<>();
    final List<String[]> fieldPaths = new ArrayList<>();
    final double halfLifeMs;
    final long levelValidMs;
    final long atLeast;
    int highestLevel;

    Rules(File playbook) throws IOException {
        JsonNode root = new ObjectMapper(new YAMLFactory()).readTree(playbook);
        if (!root.get("time_zone").asText().equals("Asia/Tokyo")) {
            throw new IllegalArgumentException("the job's calendar is that of Asia/Tokyo");
        }
        JsonNode behaviour = root.get("behaviour");
        halfLifeMs = days(behaviour.get("half_life"));
        levelValidMs = days(root.get("levels").get("valid_for"));
        atLeast = micro(root.get("total").get("at_least"));
        Map<String, List<Cap>> groups = new HashMap<>();
        behaviour.get("groups").properties().forEach(group -> groups.put(group.getKey(), capsOf(group.getValue())));
        for (JsonNode node : behaviour.get("rules")) {
            List<Cap> ways = capsOf(node);
            ways.addAll(groups.getOrDefault(node.path("group").asText(), List.of()));
            Rule rule = new Rule(
                    all.size(),
                    node.get("id").asText(),
                    micro(node.get("points")),
                    node.path("points_from").asText(null),
                    node.has("cap_per_day") ? micro(node.get("cap_per_day")) : NEVER,
                    ways,
                    node.has("expires") ? days(node.get("expires")) : NEVER);
            all.add(rule);
            match(ruleMatches, node.get("when"), rule);
        }
        for (JsonNode channel : root.get("channels")) {
            for (JsonNode action : channel.get("actions")) {
                int level = action.get("level").asInt();
                highestLevel = Math.max(highestLevel, level);
                match(levelMatches, action.get("when"), level);
            }
        }
        List<String> fields = new ArrayList<>();
        root.get("fields").properties().forEach(field -> {
            fields.add(field.getKey());
            fieldPaths.add(field.getValue().get("from").get(0).asText().split("\\."));
        });
        for (JsonNode node : root.get("attribute").get("rules")) {
            JsonNode is = node.get("is");
            List<String> parts = new ArrayList<>();
            is.path("contains").forEach(part -> parts.add(part.asText().toLowerCase(Locale.ROOT)));
            attribute.add(new AttributeRule(
                    node.get("id").asText(),
                    fields.indexOf(node.get("field").asText()),
                    micro(node.get("points")),
                    is.path("at_least").asDouble(Double.NEGATIVE_INFINITY),
                    is.path("under").asDouble(Double.POSITIVE_INFINITY),
                    parts));
        }
    }

    List<Match<Rule>> rulesNamed(String event) {
        return ruleMatches.getOrDefault(event, List.of());
    }

    List<Match<Integer>> levelsNamed(String event) {
        return levelMatches.getOrDefault(event, List.of());
    }

    private List<Cap> capsOf(JsonNode owner) {
        List<Cap> found = new ArrayList<>();
        for (String name : List.of("cap_per_week", "cap_ever")) {
            if (owner.has(name)) {
                Cap cap = new Cap(caps.size(), micro(owner.get(name)), name.equals("cap_per_week"));
                caps.add(cap);
                found.add(cap);
            }
        }
        return found;
    }

    private static <T> void match(Map<String, List<Match<T>>> index, JsonNode when, T entry) {
        Map.Entry<String, JsonNode> where = when.get("where").properties().iterator().next();
        index.computeIfAbsent(when.get("event").asText(), name -> new ArrayList<>())
                .add(new Match<>(where.getKey(), where.getValue().asText(), entry));
    }

    /** The calendar day of a moment, in the playbook's time zone. */
    static int dayOf(long ms) {
        return (int) Math.floorDiv(ms + ZONE_MS, DAY_MS);
    }

    /** The moment at which a day is over and its points begin to fade. */
    static long endOf(int day) {
        return (day + 1) * DAY_MS - ZONE_MS;
    }

    /** Weeks begin on Monday; day 4 was the first one. */
    static int weekOf(int day) {
        return Math.floorDiv(day + 3, 7);
    }

    private static long micro(JsonNode points) {
        return Math.round(points.asDouble() * MICRO);
    }

    private static long days(JsonNode duration) {
        String text = duration.asText();
        if (!text.endsWith("d")) {
            throw new IllegalArgumentException("expected whole days, not " + text);
        }
        return Long.parseLong(text.substring(0, text.length() - 1)) * DAY_MS;
    }
}
