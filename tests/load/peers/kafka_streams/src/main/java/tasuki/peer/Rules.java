package tasuki.peer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import java.io.File;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The ten rules of the playbook, found by event name. */
final class Rules {
    static final long DAY_MS = 24 * 60 * 60 * 1000L;
    /** Asia/Tokyo, which has no summer time. */
    private static final long ZONE_MS = 9 * 60 * 60 * 1000L;
    private static final double MICRO = 1_000_000;

    record Rule(int number, String id, String property, String value, long micro, long cap) {}

    private final List<Rule> all = new ArrayList<>();
    private final Map<String, List<Rule>> byName = new HashMap<>();
    final double halfLifeSeconds;

    Rules(File playbook) throws IOException {
        JsonNode root = new ObjectMapper(new YAMLFactory()).readTree(playbook);
        if (!root.get("time_zone").asText().equals("Asia/Tokyo")) {
            throw new IllegalArgumentException("the job's calendar is that of Asia/Tokyo");
        }
        JsonNode behaviour = root.get("behaviour");
        halfLifeSeconds = days(behaviour.get("half_life").asText()) * DAY_MS / 1000.0;
        for (JsonNode rule : behaviour.get("rules")) {
            Map.Entry<String, JsonNode> where = rule.get("when").get("where").properties().iterator().next();
            Rule read = new Rule(
                    all.size(),
                    rule.get("id").asText(),
                    where.getKey(),
                    where.getValue().asText(),
                    Math.round(rule.get("points").asDouble() * MICRO),
                    Math.round(rule.get("cap_per_day").asDouble() * MICRO));
            all.add(read);
            byName.computeIfAbsent(rule.get("when").get("event").asText(), name -> new ArrayList<>()).add(read);
        }
    }

    List<Rule> named(String event) {
        return byName.getOrDefault(event, List.of());
    }

    Rule rule(int number) {
        return all.get(number);
    }

    int count() {
        return all.size();
    }

    /** The calendar day of a moment, in the playbook's time zone. */
    static int dayOf(long ms) {
        return (int) Math.floorDiv(ms + ZONE_MS, DAY_MS);
    }

    /** The moment at which a day is over and its points begin to fade. */
    static long endOf(int day) {
        return (day + 1) * DAY_MS - ZONE_MS;
    }

    private static long days(String duration) {
        if (!duration.endsWith("d")) {
            throw new IllegalArgumentException("expected a half-life in days, not " + duration);
        }
        return Long.parseLong(duration.substring(0, duration.length() - 1));
    }
}
