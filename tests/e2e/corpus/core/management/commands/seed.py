"""Fills the corpus with the same rows every time."""

import datetime
import random
import uuid
from decimal import Decimal

from django.contrib.auth.hashers import make_password
from django.contrib.contenttypes.models import ContentType
from django.core.management.base import BaseCommand
from django.db import connection

from accounts.models import Card, Member, Preference, Team
from core.models import Marker
from helpdesk.models import Attachment, Category, Reply, Tag, Ticket
from music.models import Album, Artist, Country, Cover, Genre, Label, Playlist, PlaylistEntry, Track
from sports_league.models import Club, Match, Person, Player, Sponsor, Sponsorship, Stat
from stock.models import Bin, Document, Job, Movement, Product, Supplier

DICE = random.Random(2026)
START = datetime.datetime(2024, 3, 1, 12, tzinfo=datetime.timezone.utc)


def some(model, rows):
    return model.objects.bulk_create([model(**row) for row in rows])


class Command(BaseCommand):
    help = "Fill the corpus; the same rows every time."

    def handle(self, *_args, **_options):
        self.accounts()
        self.music()
        self.sports()
        self.helpdesk()
        self.stock()
        Marker.objects.create(name="marker")
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")

    def accounts(self):
        teams = some(Team, ({"name": f"Team {n}"} for n in range(8)))
        password = make_password("secret", salt="fixed" * 5)
        self.members = some(
            Member,
            (
                {
                    "username": f"user{n}",
                    "email": f"user{n}@example.com",
                    "password": password,
                    "team": None if n % 9 == 4 else DICE.choice(teams),
                    "is_staff": n == 0,
                    "is_superuser": n == 0,
                }
                for n in range(40)
            ),
        )
        some(Card, ({"member": member, "text": f"Card of {member.username}"} for member in DICE.sample(self.members, 34)))
        some(Preference, ({"key": f"key-{n}", "value": f"value {n}"} for n in range(12)))

    def music(self):
        countries = some(Country, ({"code": code, "name": f"Land {code}"} for code in "NL DE FR BE DK SE NO FI PL".split()))
        artists = some(
            Artist,
            (
                {
                    "id": uuid.UUID(int=DICE.getrandbits(128), version=4),
                    "name": f"Artist {n}",
                    "country": DICE.choice(countries),
                    "manager": DICE.choice([None, *self.members]),
                }
                for n in range(25)
            ),
        )
        labels = some(Label, ({"code": f"LB-{DICE.randrange(10**5):05}", "name": f"Label {n}"} for n in range(7)))
        roots = some(Genre, ({"name": f"Root {n}"} for n in range(6)))
        leaves = some(Genre, ({"name": f"Leaf {n}", "parent": DICE.choice(roots)} for n in range(18)))
        albums = some(
            Album,
            (
                {
                    "title": f"Album {n}",
                    "artist": DICE.choice(artists),
                    "label": DICE.choice([None, *labels]),
                    "year": DICE.randrange(1970, 2024),
                    "notes": f"Notes of {n}",
                }
                for n in range(34)
            ),
        )
        through = Album.genres.through
        some(
            through,
            ({"album": album, "genre": genre} for album in albums for genre in DICE.sample(leaves, DICE.randrange(0, 4))),
        )
        some(Cover, ({"album": album, "colour": DICE.choice(["red", "blue"])} for album in DICE.sample(albums, 30)))
        tracks = some(
            Track,
            (
                {"album": album, "title": f"Track {n} of {album.title}", "seconds": DICE.randrange(90, 600)}
                for album in albums
                for n in range(DICE.randrange(2, 7))
            ),
        )
        playlists = some(Playlist, ({"name": f"List {n}", "owner": DICE.choice(self.members)} for n in range(14)))
        some(
            PlaylistEntry,
            (
                {"playlist": playlist, "track": track, "position": position}
                for playlist in playlists
                for position, track in enumerate(DICE.sample(tracks, DICE.randrange(3, 9)))
            ),
        )
        self.albums = albums

    def sports(self):
        clubs = some(Club, ({"name": f"Club {n}", "city": f"City {n % 9}"} for n in range(18)))
        referees = some(Person, ({"name": f"Referee {n}", "born": START.date()} for n in range(11)))
        # Multi-table inheritance knows no bulk_create().
        players = [
            Player.objects.create(name=f"Player {n}", born=START.date(), club=DICE.choice(clubs), number=n % 23)
            for n in range(60)
        ]
        pairs = [DICE.sample(clubs, 2) for _ in range(42)]
        matches = some(
            Match,
            (
                {
                    "home_team": home,
                    "away_team": away,
                    "referee": DICE.choice([None, *referees]),
                    "played": START.date() + datetime.timedelta(days=DICE.randrange(300)),
                    "home_goals": DICE.randrange(5),
                    "away_goals": DICE.randrange(5),
                }
                for home, away in pairs
            ),
        )
        some(
            Stat,
            (
                {"match": match, "player": player, "goals": DICE.randrange(3)}
                for match in matches
                for player in DICE.sample(players, DICE.randrange(1, 5))
            ),
        )
        sponsors = some(Sponsor, ({"name": f"Sponsor {n}"} for n in range(13)))
        some(
            Sponsorship,
            (
                {"sponsor": sponsor, "club": club, "amount": DICE.randrange(1000)}
                for sponsor in sponsors
                for club in DICE.sample(clubs, DICE.randrange(1, 5))
            ),
        )
        self.matches = matches

    def helpdesk(self):
        categories = some(Category, ({"slug": f"topic-{n}", "name": f"Topic {n}"} for n in range(6)))
        tags = some(Tag, ({"word": f"tag-{n}"} for n in range(15)))
        tickets = some(
            Ticket,
            (
                {
                    "number": f"T-{1000 + n * 7}",
                    "title": f"Ticket {n}",
                    "category": DICE.choice(categories),
                    "created_by": self.members[5] if n % 6 == 0 else DICE.choice(self.members),
                    "assignee": DICE.choice([None, *self.members[:15]]),
                    "status": DICE.choice(["open", "closed"]),
                    "opened": START + datetime.timedelta(hours=DICE.randrange(5000)),
                    "resolution": f"Resolved by {n}" * 3,
                }
                for n in range(50)
            ),
        )
        through = Ticket.tags.through
        some(through, ({"ticket": ticket, "tag": tag} for ticket in tickets for tag in DICE.sample(tags, DICE.randrange(0, 4))))
        some(
            Reply,
            (
                {"ticket": ticket, "author": DICE.choice(self.members), "text": f"Reply {n} to {ticket.number}"}
                for ticket in tickets
                for n in range(DICE.randrange(0, 4))
            ),
        )
        kinds = {model: ContentType.objects.get_for_model(model) for model in (Ticket, Album, Match)}
        targets = DICE.sample(tickets, 12) + DICE.sample(self.albums, 9) + DICE.sample(self.matches, 9)
        DICE.shuffle(targets)
        some(
            Attachment,
            (
                {"content_type": kinds[type(target)], "object_id": str(target.pk), "name": f"file {n}"}
                for n, target in enumerate(targets)
            ),
        )

    def stock(self):
        suppliers = some(Supplier, ({"name": f"Supplier {n}"} for n in range(20)))
        products = some(
            Product,
            (
                {"name": f"Product {n}", "supplier": DICE.choice(suppliers), "price": Decimal(n) + 1, "active": n % 5 > 0}
                for n in range(70)
            ),
        )
        bins = some(Bin, ({"aisle": f"A{n}"} for n in range(60)))
        some(
            Movement,
            (
                {"product": DICE.choice(products), "from_bin": DICE.choice(bins), "to_bin": DICE.choice(bins), "quantity": n}
                for n in range(60)
            ),
        )
        some(Document, ({"title": f"Document {n}", "body": f"Line {n}. " * 500} for n in range(30)))
        some(Job, ({"name": f"Job {n}"} for n in range(30)))
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO stock_reading (sensor, at, value, note)"
                " SELECT n % 100, timestamptz '2024-01-01 00:00Z' + n * interval '1 minute', n % 997,"
                " 'reading number ' || n || ' of the sensor in the hall' FROM generate_series(1, 200000) n"
            )
